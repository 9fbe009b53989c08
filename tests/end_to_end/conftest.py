"""One real Airflow (scheduler, API server, LocalExecutor) with this project's DAG and the odd one."""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline_lib.airflow.local_config import USER, LocalAirflow
from pipeline_lib.airflow.rest import AirflowRest, TaskInstance
from pipeline_lib.node_result import NodeResult
from pipeline_lib.places import PROJECT
from pipeline_lib.settings import PIPELINE_NAME, RELEASE_ASSET, Settings
from tests.airflow.stack_fixtures import environment, free_port, logged_in, running_airflow

_ODD_DAG = """
from pathlib import Path
from pipeline_lib.airflow.config import AirflowPipelineConfig
from pipeline_lib.airflow.dag_runner import AirflowDagRunner

config = AirflowPipelineConfig(airflow_dag_config={{"schedule": None}}, grace_seconds=5)
dag = AirflowDagRunner(config).run(Path({path!r}))
"""
# The pipeline again, every twenty seconds, and a DAG whose every run is late. Both are off until asked for.
_OFTEN_DAG = """
import time
from airflow.sdk import dag, task
from pipeline_lib.airflow.config import AirflowPipelineConfig
from pipeline_lib.airflow.dag_runner import AirflowDagRunner
from pipeline_lib.airflow.schedule import as_of, deadline, schedule
from pipeline_lib.settings import run_defaults, settings

overrides = {"schedule": "* * * * * */20", "run_on_new_data": False, "deadline_minutes": 0.01}
often = settings().model_copy(update=overrides)
options = {"catchup": False, "max_active_runs": 1, "is_paused_upon_creation": True}
config = AirflowPipelineConfig(
    airflow_dag_config={"dag_id": "often", "schedule": schedule(often), **options},
    parameter_defaults=run_defaults(),
    run_facts={"as_of": as_of},
)
pipeline = AirflowDagRunner(config).run(settings().compiled_path)

@dag(schedule=None, deadline=deadline(often), **options)
def late():
    task(task_id="sleep")(lambda: time.sleep(15))()

late()
"""
RUN_SECONDS = 600
CONSUMER = "mnist_consumer"
INGEST = "mnist_ingest"
# The one night of the year in which the pipeline's DAG runs by itself: far from today, before and after.
NIGHT_MONTH = (datetime.now(UTC).month + 5) % 12 + 1
NIGHTLY = f"0 2 1 {NIGHT_MONTH} *"
VIEWER = "viewer"


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended: its state, its tasks' states, and their NodeResults."""

    run_id: str
    state: str
    tasks: dict[str, TaskInstance]
    results: dict[str, NodeResult | None]

    def states(self) -> dict[str, str | None]:
        return {task_id: task.state for task_id, task in self.tasks.items()}

    def result(self, task_id: str) -> NodeResult:
        found = self.results[task_id]
        assert found, f"{task_id} left no result"
        return found


@dataclass(frozen=True)
class Deployment:
    """A whole deployment in a temporary folder: its settings, its Airflow, and a logged-in client."""

    settings: Settings
    airflow: LocalAirflow
    rest: AirflowRest

    def run(self, dag_id: str = PIPELINE_NAME, **conf: Any) -> FinishedRun:
        """Trigger a run over REST and wait for its end."""
        return self.finished(dag_id, self.rest.trigger(dag_id, conf).dag_run_id)

    def finished(self, dag_id: str, run_id: str) -> FinishedRun:
        """Wait for the end of a run."""
        deadline = time.monotonic() + RUN_SECONDS
        while not (run := self.rest.run(dag_id, run_id)).finished:
            assert time.monotonic() < deadline, f"{run_id} did not end: {self.rest.tasks(dag_id, run_id)}"
            time.sleep(0.5)
        tasks = {task.task_id: task for task in self.rest.tasks(dag_id, run_id)}
        results = {task_id: self.rest.node_result(dag_id, run_id, task_id) for task_id in tasks}
        return FinishedRun(run_id, run.state, tasks, results)

    def runs(self, dag_id: str, run_type: str) -> list[dict[str, Any]]:
        """The runs of a DAG that came about in that way, oldest first."""
        answer = self.rest._http.get(f"dags/{dag_id}/dagRuns", params={"run_type": run_type, "order_by": "run_after"})
        return list(answer.raise_for_status().json()["dag_runs"])

    def wait_for(self, what: str, found: Callable[[], Any]) -> Any:
        """The first true answer of `found`."""
        deadline = time.monotonic() + RUN_SECONDS
        while not (answer := found()):
            assert time.monotonic() < deadline, f"{what}: not within {RUN_SECONDS} s"
            time.sleep(0.5)
        return answer

    def asset_events(self, name: str = RELEASE_ASSET) -> list[dict[str, Any]]:
        """What an Asset was told, oldest first."""
        answer = self.rest._http.get("assets/events", params={"name_pattern": name, "order_by": "timestamp"})
        return [event["extra"] for event in answer.raise_for_status().json()["asset_events"]]

    def only_run(self, dag_id: str) -> FinishedRun:
        """Wait for the one run that something other than this test starts, and for its end."""
        deadline = time.monotonic() + RUN_SECONDS
        while True:
            found = self.rest._http.get(f"dags/{dag_id}/dagRuns").raise_for_status().json()["dag_runs"]
            if found and found[0]["state"] in ("success", "failed"):
                break
            assert time.monotonic() < deadline, f"{dag_id} did not run: {found}"
            time.sleep(0.5)
        [run] = found
        tasks = {task.task_id: task for task in self.rest.tasks(dag_id, run["dag_run_id"])}
        return FinishedRun(run["dag_run_id"], run["state"], tasks, {})

    def tfx(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a module in the TFX environment with this deployment's settings."""
        command = [str(self.settings.tfx_python), "-m", *arguments]
        env = {**os.environ, "PYTHONPATH": str(PROJECT)}
        return subprocess.run(command, cwd=PROJECT, env=env, check=False, text=True, capture_output=True)

    def log(self, run: FinishedRun, task_id: str, dag_id: str = PIPELINE_NAME) -> list[str]:
        return self.rest.log_lines(dag_id, run.run_id, run.tasks[task_id])


def _tfx(settings: Settings, *arguments: str) -> None:
    command = [str(settings.tfx_python), "-m", *arguments]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout


def _wait_for_dag(rest: AirflowRest, dag_id: str) -> None:
    deadline = time.monotonic() + 120
    while not rest.dag(dag_id):
        assert time.monotonic() < deadline, f"no DAG {dag_id}: {rest.import_errors()}"
        time.sleep(0.5)
    rest.unpause(dag_id)


def _add_viewer(settings: Settings) -> None:
    """A second user, who may look and nothing more."""
    home = settings.var_dir / "airflow"
    home.mkdir(parents=True)
    (home / "airflow.cfg").write_text(f"[core]\nsimple_auth_manager_users = {USER}:admin,{VIEWER}:viewer\n")
    (home / "passwords.json").write_text(json.dumps({name: secrets.token_urlsafe(9) for name in (USER, VIEWER)}))


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("e2e")
    # Without retries: what fails is to fail at once.
    settings = Settings(var_dir=folder / "var", port=free_port(), schedule=NIGHTLY, node_retries=0)
    dags, imported, odd = folder / "dags", folder / "imported", folder / "odd.json"
    dags.mkdir()
    imported.mkdir()
    for dag_id in (PIPELINE_NAME, CONSUMER, INGEST):
        shutil.copy(PROJECT / "dags" / f"{dag_id}.py", dags)
    (dags / "often.py").write_text(_OFTEN_DAG)
    (dags / "odd.py").write_text(_ODD_DAG.format(path=str(odd)))
    variables = {"MNIST_LITE_VAR_DIR": str(settings.var_dir), "MNIST_LITE_PORT": str(settings.port)}
    # For what is trained on other data, room for one digit more that is taken for another.
    variables |= {"MNIST_LITE_MIN_ACCURACY_CHANGE": "-0.05", "MNIST_LITE_MAX_LATENCY_RATIO": "100"}
    with environment(variables):
        _tfx(settings, "pipeline_lib.tfx.commands", "ingest", "digits")
        _tfx(settings, "pipeline_lib.tfx.compile")
        _tfx(settings, "tests.pipelines.odd", str(odd), str(folder / "root"), str(imported))
        _add_viewer(settings)
        with running_airflow(settings, dags) as airflow, logged_in(airflow) as rest:
            for dag_id in (PIPELINE_NAME, CONSUMER, "odd"):
                _wait_for_dag(rest, dag_id)
            yield Deployment(settings, airflow, rest)
