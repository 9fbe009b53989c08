"""One real Airflow (scheduler, API server, LocalExecutor) with this project's DAG and the odd one."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.airflow.local_config import USER, LocalAirflow
from pipeline_lib.client.rest import AirflowRest
from pipeline_lib.client.rest_answers import TaskInstance
from pipeline_lib.node_result import NodeResult
from pipeline_lib.places import PROJECT
from pipeline_lib.settings import PIPELINE_NAME, RELEASE_ASSET, Settings
from tests.airflow.receivers import Hook, Mailbox, http_server, mail_server, statsd_server
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
# The pipeline's DAG as somebody who wants to be told has it: of every run, and of each that takes more than a second.
_TOLD_DAG = """
import os
import time
os.environ["MNIST_LITE_NOTIFY_ON"] = "pushed,refused,failed,late"
from datetime import timedelta
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, DeadlineAlert, DeadlineReference
from pipeline_lib.airflow.config import AirflowPipelineConfig
from pipeline_lib.airflow.dag_runner import AirflowDagRunner
from pipeline_lib.airflow.notice import end_with_notice, late_callback
from pipeline_lib.notice_settings import tells_after_runs
from pipeline_lib.settings import run_defaults, settings

late = DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=1), callback=late_callback())
config = AirflowPipelineConfig(
    airflow_dag_config={"dag_id": "told", "schedule": None, "deadline": late}, notice=tells_after_runs(),
    parameter_defaults=run_defaults(),
)
dag = AirflowDagRunner(config).run(settings().compiled_path)

with DAG("timed", schedule=None, dagrun_timeout=timedelta(seconds=3)) as timed:
    PythonOperator(task_id="Endless", python_callable=lambda: time.sleep(600))
end_with_notice(timed)
"""
# This project's pipeline, whose approvals nobody can answer in time.
_HURRIED_DAG = """
from datetime import timedelta
from functools import partial
from pipeline_lib.airflow.approval import ModelApproval, approval_record
from pipeline_lib.airflow.config import AirflowPipelineConfig
from pipeline_lib.airflow.dag_runner import AirflowDagRunner
from pipeline_lib.approval import APPROVAL_RECORD
from pipeline_lib.settings import run_defaults, settings

config = AirflowPipelineConfig(
    airflow_dag_config={"dag_id": "hurried", "schedule": None},
    gates_before={"Pusher*": partial(ModelApproval, response_timeout=timedelta(seconds=1))},
    run_facts={APPROVAL_RECORD: approval_record},
    parameter_defaults=run_defaults(),
)
dag = AirflowDagRunner(config).run(settings().compiled_path)
"""
RUN_SECONDS = 600
CONSUMER = "mnist_consumer"
INGEST = "mnist_ingest"
# The one night of the year in which the pipeline's DAG runs by itself: far from today, before and after.
NIGHT_MONTH = (datetime.now(UTC).month + 5) % 12 + 1
NIGHTLY = f"0 2 1 {NIGHT_MONTH} *"
VIEWER = "viewer"
TOLD, TIMED = "told", "timed"
MAIL_PASSWORD, HOOK_SECRET, HOOK_PATH = "the-mail-password", "the-hook-secret", "the-hook-path"
HURRIED = "hurried"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(5 * RUN_SECONDS))  # some wait that long several times, set-up included


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
class Told:
    """Who is told of what happens here: a webhook, a mailbox, a StatsD server that hears of our metrics alone."""

    hook: Hook
    mailbox: Mailbox
    metrics: list[str]
    statsd_port: int

    @classmethod
    @contextlib.contextmanager
    def listening(cls) -> Iterator["Told"]:
        with http_server() as hook, mail_server(password=MAIL_PASSWORD) as mailbox, statsd_server() as (port, metrics):
            yield cls(hook, mailbox, metrics, port)

    def variables(self) -> dict[str, str]:
        """Of a lateness alone, so that the project's own DAG is as it is where nobody is told."""
        values = {"ON": "late", "WEBHOOK": f"{self.hook.url}/{HOOK_PATH}", "WEBHOOK_SECRET": HOOK_SECRET}
        server = f"{self.mailbox.user}:{MAIL_PASSWORD}@127.0.0.1:{self.mailbox.port}"
        values |= {"URLS": f"mailto://{server}/team@example.com?from=ci@example.com&cto=60"}
        return {f"MNIST_LITE_NOTIFY_{name}": value for name, value in values.items()}

    def configuration(self) -> str:
        """What somebody adds to airflow.cfg for metrics."""
        on = f"statsd_on = True\nstatsd_host = 127.0.0.1\nstatsd_port = {self.statsd_port}"
        return f"[metrics]\n{on}\nmetrics_allow_list = ^mnist_lite\n"


@dataclass(frozen=True)
class Deployment:
    """A whole deployment in a temporary folder: its settings, its Airflow, and a logged-in client."""

    settings: Settings
    airflow: LocalAirflow
    rest: AirflowRest
    told: "Told"

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
        answer = self.rest.http.get(f"dags/{dag_id}/dagRuns", params={"run_type": run_type, "order_by": "run_after"})
        return list(answer.raise_for_status().json()["dag_runs"])

    def wait_for(self, what: str, found: Callable[[], Any]) -> Any:
        """The first true answer of `found`."""
        deadline = time.monotonic() + RUN_SECONDS
        while not (answer := found()):
            assert time.monotonic() < deadline, f"{what}: not within {RUN_SECONDS} s"
            time.sleep(0.5)
        return answer

    def asset_events(self, name: str = RELEASE_ASSET) -> list[dict[str, Any]]:
        """What an Asset was told, oldest first.

        Airflow 3.3.2 answers 500 until every run that came of it has started.
        """
        query = {"name_pattern": name, "order_by": "timestamp"}
        answer = self.wait_for(
            f"{name}'s events", lambda: (said := self.rest.http.get("assets/events", params=query)).is_success and said
        )
        return [event["extra"] for event in answer.json()["asset_events"]]

    def only_run(self, dag_id: str) -> FinishedRun:
        """Wait for the one run that something other than this test starts, and for its end."""
        deadline = time.monotonic() + RUN_SECONDS
        while True:
            found = self.rest.http.get(f"dags/{dag_id}/dagRuns").raise_for_status().json()["dag_runs"]
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
    deadline = time.monotonic() + 300
    while not rest.dag(dag_id):
        assert time.monotonic() < deadline, f"no DAG {dag_id}: {rest.import_errors()}"
        time.sleep(0.5)
    rest.unpause(dag_id)


def _configure(settings: Settings, told: Told) -> None:
    """What an operator adds to airflow.cfg: metrics, and a second user, who may look and nothing more."""
    home = settings.var_dir / "airflow"
    home.mkdir(parents=True)
    users = f"[core]\nsimple_auth_manager_users = {USER}:admin,{VIEWER}:viewer\n"
    (home / "airflow.cfg").write_text(users + told.configuration())
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
    (dags / "hurried.py").write_text(_HURRIED_DAG)
    variables = {"MNIST_LITE_VAR_DIR": str(settings.var_dir), "MNIST_LITE_PORT": str(settings.port)}
    # For what is trained on other data, room for one digit more that is taken for another.
    variables |= {"MNIST_LITE_MIN_ACCURACY_CHANGE": "-0.05", "MNIST_LITE_MAX_LATENCY_RATIO": "100"}
    (dags / "told.py").write_text(_TOLD_DAG)
    with Told.listening() as told, environment({**variables, **told.variables()}):
        _configure(settings, told)
        _tfx(settings, "pipeline_lib.tfx.commands", "ingest", "digits")
        _tfx(settings, "pipeline_lib.tfx.compile")
        _tfx(settings, "tests.pipelines.odd", str(odd), str(folder / "root"), str(imported))
        with running_airflow(settings, dags) as airflow, logged_in(airflow) as rest:
            for dag_id in (PIPELINE_NAME, CONSUMER, HURRIED, "odd", TOLD, TIMED):
                _wait_for_dag(rest, dag_id)
            yield Deployment(settings, airflow, rest, told)
