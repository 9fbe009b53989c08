"""Runs started over REST: by Airflow's official client, by our commands, by curl; refused, forced, dry."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow_client import client

from models.mnist.on_device import MODEL
from nightlite.deployment.client.access import find_access
from nightlite.deployment.client.rest import AirflowRest
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import run_defaults
from nightlite.paths import PROJECT
from tests.end_to_end.conftest import VIEWER, Deployment
from tests.names import PIPELINE_NAME, RELEASE_ASSET, RunParams
from tests.waiting import wait_until

PUSHER = "Pusher.mnist_lite"


@pytest.fixture(scope="module")
def released(deployment: Deployment) -> Deployment:
    """Return the deployment, once it has a release."""
    if not Releases(deployment.folders.releases).versions():
        assert deployment.run().state == "success"
    return deployment


def api_of(deployment: Deployment, user: str) -> client.ApiClient:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLITE_USER", user)
        access = find_access(deployment.settings)
    assert access
    form = {"username": access.user, "password": access.password.get_secret_value()}
    with AirflowRest(access) as rest:
        token = rest.http.post(f"{access.url}/auth/token", json=form).json()["access_token"]
    return client.ApiClient(client.Configuration(host=access.url, access_token=token))


@pytest.fixture(scope="module")
def api(deployment: Deployment) -> Iterator[client.ApiClient]:
    with api_of(deployment, "admin") as made:
        yield made


def asked(**conf: Any) -> client.TriggerDAGRunPostBody:
    return client.TriggerDAGRunPostBody(logical_date=None, conf=conf)


def ended(runs: client.DagRunApi, run_id: str) -> str:
    def state() -> str:
        found = runs.get_dag_run(PIPELINE_NAME, run_id).state.value
        return str(found) if found in ("success", "failed") else ""

    return str(wait_until(f"the end of {run_id}", state))


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `nightlite …` for MNIST against the deployment, whose settings are in this process's environment."""
    return subprocess.run(
        [sys.executable, "-m", "nightlite.deployment.cli", arguments[0], "--model=mnist", *arguments[1:]],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **variables},
        check=False,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )


def recorded(deployment: Deployment, run_id: str) -> dict[str, Any]:
    """Return what MLMD's context of the run says that it was told."""
    query = """SELECT p.name, coalesce(p.int_value, p.double_value, p.string_value)
               FROM ContextProperty p JOIN Context c ON c.id = p.context_id WHERE c.name = ?"""
    with sqlite3.connect(deployment.settings.var_dir / "metadata" / "mlmd.sqlite") as database:
        return dict(database.execute(query, [f"{PIPELINE_NAME}.{run_id}"]).fetchall())


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"epoch": 3}, ["Received: epoch=3", "Did you mean epochs?", "learning_rate"]),
        ({"as_of": "2026-01-01"}, ["Received: as_of='2026-01-01'"]),
        ({"epochs": 501}, ["epochs", "501", "1 to 500"]),
    ],
)
def test_what_a_run_cannot_be_told_is_400_and_makes_no_run(
    api: client.ApiClient, conf: dict[str, Any], said: list[str]
) -> None:
    runs = client.DagRunApi(api)
    before = runs.get_dag_runs(PIPELINE_NAME).total_entries
    with pytest.raises(client.ApiException) as error:
        runs.trigger_dag_run(PIPELINE_NAME, asked(**conf))
    assert error.value.status == 400
    detail = json.loads(error.value.body)["detail"]
    assert [part for part in said if part not in detail] == [] and "\n" not in detail, detail
    assert runs.get_dag_runs(PIPELINE_NAME).total_entries == before


def test_who_may_only_look_looks_and_is_answered_403(deployment: Deployment) -> None:
    with api_of(deployment, VIEWER) as api:
        runs = client.DagRunApi(api)
        before = runs.get_dag_runs(PIPELINE_NAME).total_entries
        for conf in ({}, {"epoch": 3}):
            with pytest.raises(client.ApiException) as error:
                runs.trigger_dag_run(PIPELINE_NAME, asked(**conf))
            assert (error.value.status, "epochs" in error.value.body) == (403, False)
        assert runs.get_dag_runs(PIPELINE_NAME).total_entries == before
    done = command("trigger", NIGHTLITE_USER=VIEWER)
    assert done.returncode == 1
    assert "(403)" in done.stderr
    assert command("runs", NIGHTLITE_USER=VIEWER).returncode == 0


def test_the_official_client_triggers_polls_reads_logs_and_events_and_clears(
    released: Deployment, api: client.ApiClient
) -> None:
    runs, tasks = client.DagRunApi(api), client.TaskInstanceApi(api)
    run_id = runs.trigger_dag_run(PIPELINE_NAME, asked(min_accuracy=1.01)).dag_run_id
    assert ended(runs, run_id) == "success"
    states = {task.task_id: task.state for task in tasks.get_task_instances(PIPELINE_NAME, run_id).task_instances}
    assert states[PUSHER] == "skipped"
    log = tasks.get_log(PIPELINE_NAME, run_id, "EdgeValidator", 1, full_content=True)
    assert "NOT blessed" in log.to_json()
    before = tasks.get_task_instance(PIPELINE_NAME, run_id, "ModelReport")
    body = client.ClearTaskInstancesBody(
        dag_run_id=run_id,
        task_ids=[client.ClearTaskInstancesBodyTaskIdsInner("ModelReport")],
        dry_run=False,
        only_failed=False,
        reset_dag_runs=True,
    )
    tasks.post_clear_task_instances(PIPELINE_NAME, body)
    assert ended(runs, run_id) == "success"
    after = tasks.get_task_instance(PIPELINE_NAME, run_id, "ModelReport")
    assert (after.state, after.try_number) == ("success", before.try_number + 1)
    released.asset_events()  # once it can be asked
    events = client.AssetApi(api).get_asset_events(name_pattern=RELEASE_ASSET).asset_events
    assert Releases(released.folders.releases).versions()[0] in {(event.extra or {}).get("version") for event in events}


def test_a_forced_dry_run_runs_every_node_again_and_releases_nothing(released: Deployment) -> None:
    releases = Releases(released.folders.releases)
    before = sorted((path, path.lstat().st_mtime_ns) for path in releases.folder.rglob("*"))
    events = len(released.asset_events())
    ask = ["trigger", "--wait", "--json", "--run-id", "forced-dry", "--note", "why not"]
    ask += ["--param", "force=true", "--param", "push=dry run"]
    gave_up = command(*ask, "--timeout", "0")
    assert gave_up.returncode == 1
    assert "run forced-dry was not over after 0 s: it goes on" in gave_up.stderr
    done = command(*ask)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["run_id"], said["state"], said["note"]) == ("forced-dry", "success", "why not")
    skipped = {node for node, state in said["nodes"].items() if state == "skipped"}
    assert skipped == {PUSHER, "Approval.mnist_lite"}
    assert set(said["nodes"].values()) == {"success", "skipped"}
    assert "Trainer.mnist: success" in done.stderr
    assert "cached" not in done.stderr
    assert said["summary"]["blessed"] is True
    assert 0 < said["summary"]["tflite"]["bytes"] < said["summary"]["keras"]["bytes"]
    assert said["summary"]["outcome"] == "dry_run"
    assert re.search(r"release \d+ ", said["summary"]["pushed_why"])
    assert sorted((path, path.lstat().st_mtime_ns) for path in releases.folder.rglob("*")) == before
    assert len(released.asset_events()) == events

    told = RunParams(**run_defaults(MODEL)).model_dump() | {"force": True, "push": "dry run"}
    assert recorded(released, "forced-dry") == told | {"force": "true"}
    report = f"{released.airflow.url}/nightlite/dags/{PIPELINE_NAME}/runs/forced-dry/report.json"
    assert released.rest.http.get(report).json()["parameters"] == told
    release = releases.latest()
    assert release
    conf = released.rest.run(PIPELINE_NAME, release.manifest.run_id).conf or {}
    assert release.manifest.parameters == RunParams(**run_defaults(MODEL) | conf).model_dump()

    again = command(*ask)
    assert (again.returncode, json.loads(again.stdout)) == (0, said)
    other = command("trigger", "--run-id", "forced-dry", "--param", "epochs=3")
    assert other.returncode == 2
    assert "run forced-dry is there already" in other.stderr
    shown = command("status", "forced-dry", "--json")
    assert (shown.returncode, json.loads(shown.stdout)) == (0, said)


def test_the_commands_tell_a_refused_model_a_refused_parameter_and_no_server_apart(released: Deployment) -> None:
    refused = command("trigger", "--wait", "--param", "min_accuracy=1.01")
    assert refused.returncode == 3, refused.stderr
    assert "Not blessed: Evaluator.mnist: accuracy" in refused.stdout
    assert "Release: not pushed: the model is not blessed" in refused.stdout
    assert command("status").returncode == 3
    [newest] = json.loads(command("runs", "--limit", "1", "--json").stdout)
    assert (newest["conf"], newest["outcome"]) == ({"min_accuracy": 1.01}, "refused")
    assert newest["pushed"] == "not pushed: the model is not blessed"
    unknown = command("trigger", "--param", "epoch=3")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("nightlite: Did you mean epochs? ")
    away = command("runs", NIGHTLITE_URL="http://127.0.0.1:9", NIGHTLITE_TOKEN="x")
    assert away.returncode == 1
    assert "expected Airflow to answer at http://127.0.0.1:9" in away.stderr
    secret = released.airflow.password()
    assert not [done for done in (refused, unknown, away) if secret in done.stdout + done.stderr]


def test_the_example_with_the_official_client_works(released: Deployment) -> None:
    def example(*arguments: str) -> subprocess.CompletedProcess[str]:
        variables = {"URL": released.airflow.url, "USER": "admin", "PASSWORD": released.airflow.password()}
        return subprocess.run(
            [sys.executable, PROJECT / "docs" / "start_run.py", *arguments],
            env={**os.environ, **{f"NIGHTLITE_{name}": value for name, value in variables.items()}},
            check=False,
            text=True,
            capture_output=True,
        )

    done = example("min_accuracy=0.5")
    assert done.returncode == 0, done.stderr
    outcome = r": success\n(pushed as release \d+|nothing new: release \d+ is this very file already)\n$"
    assert re.search(outcome, done.stdout)
    refused = example("epoch=3")
    assert refused.returncode == 2
    assert refused.stderr.startswith("Did you mean epochs? Expected only run parameters that mnist_tflite has")


def test_the_documented_lines_for_curl_start_a_run(released: Deployment, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("NO CURL ON THIS MACHINE: the documented lines for it were not executed")
    page = (PROJECT / "docs/run-parameters-and-gates.md").read_text(encoding="utf-8")
    [lines] = [block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "dagRuns" in block]
    assert "http://127.0.0.1:${NIGHTLITE_PORT:-8080} " in lines
    (tmp_path / "var").symlink_to(released.settings.var_dir)
    env = os.environ | {"NIGHTLITE_PORT": str(released.airflow.port)}
    done = subprocess.run(["bash", "-euc", lines], cwd=tmp_path, check=False, text=True, capture_output=True, env=env)
    run = json.loads(done.stdout)
    assert (run["state"], run["conf"]) == ("queued", {"min_accuracy": 1.01})
    status = command("trigger", "--wait", "--run-id", run["dag_run_id"], "--param", "min_accuracy=1.01")
    assert status.returncode == 3, status.stderr
