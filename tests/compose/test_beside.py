"""`make up` on the host while the containers are running there: neither knows of the other."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.local.airflow_config import LocalAirflow
from nightlite.deployment.settings import Settings
from nightlite.ondevice.releases.store import Releases
from nightlite.paths import PROJECT
from tests.compose.deployment import ANY_MODEL, Deployment, Run, wait_for
from tests.names import PIPELINE_NAME
from tests.real_airflow import environment, free_port, logged_in, running_airflow, tfx

long = pytest.mark.skipif(
    not os.environ.get("NIGHTLITE_TEST_LONG"), reason="NOT TESTED: takes minutes; set NIGHTLITE_TEST_LONG=1"
)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[tuple[LocalAirflow, Releases]]:
    """Yield a local Airflow with data and no run yet, and its releases."""
    settings = Settings(var_dir=tmp_path / "var", port=free_port())
    variables = {"NIGHTLITE_VAR_DIR": str(settings.var_dir), "NIGHTLITE_PORT": str(settings.port)}
    variables |= {"NIGHTLITE_MNIST_SCHEDULE": ""}
    with environment(variables):
        tfx(settings, "nightlite.deployment.in_tfx.commands", "ingest", "digits", "--model=mnist")
        tfx(settings, "nightlite.deployment.in_tfx.compile")
        with running_airflow(settings, PROJECT / "dags") as airflow:
            yield airflow, Releases(settings.folders(MODEL.name).releases)


@long
def test_a_local_run_and_one_in_containers_at_once(
    deployment: Deployment, local: tuple[LocalAirflow, Releases]
) -> None:
    airflow, releases = local
    before = deployment.pushed()
    with deployment.login("operator") as theirs, logged_in(airflow) as ours:
        wait_for("the DAG", lambda: ours.dag(PIPELINE_NAME), seconds=120)
        ours.unpause(PIPELINE_NAME)
        in_containers = Run.trigger(theirs, seed=6, **ANY_MODEL)
        on_host = Run.trigger(ours, seed=7, **ANY_MODEL)
        in_containers.running("Trainer.mnist")
        assert not ours.run(PIPELINE_NAME, on_host.run_id).finished, "they were not running at the same time"
        for run in (in_containers, on_host):
            assert run.finished() == "success", run.rest.tasks(PIPELINE_NAME, run.run_id)
            assert run.result("Pusher.mnist_lite").pushed is True
        assert on_host.run_id not in {run.dag_run_id for run in theirs.runs(PIPELINE_NAME, 100)}
    assert releases.versions() == [1]
    assert len(deployment.pushed()) > len(before)
    assert deployment.still_running() == []
    deployment.until_well()
