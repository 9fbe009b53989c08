"""One real Airflow (scheduler, API server, LocalExecutor) with this project's DAG and the odd one."""

import contextlib
import json
import secrets
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.client.answers import DagRun, TaskInstance
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.local.airflow_config import USER, LocalAirflow
from nightlite.deployment.settings import Settings
from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.in_airflow.notice.message import Notice
from nightlite.paths import PROJECT
from nightlite.runner.node_result import NodeResult
from tests.names import PIPELINE_NAME, RELEASE_ASSET
from tests.real_airflow import environment, free_port, logged_in, running_airflow, tfx, wait_for_dag
from tests.receivers import Hook, Mailbox, http_server, mail_server, statsd_server
from tests.waiting import wait_until

RUN_SECONDS = 600
CONSUMER = "mnist_consumer"
INGEST = "mnist_ingest"
# The one night of the year in which the pipeline's DAG runs by itself: far from today, before and after.
NIGHT_MONTH = (datetime.now(UTC).month + 5) % 12 + 1
NIGHTLY = f"0 2 1 {NIGHT_MONTH} *"
FAR_HOUR = str((datetime.now(UTC).hour + 12) % 24)
VIEWER = "viewer"
TOLD, TIMED, WATCHDOG = "told", "timed", "watchdog"
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
    """The receivers of what happens here: a webhook, a mailbox, a StatsD server that hears of our metrics alone."""

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
        """Return variables that notify of lateness alone, so that the project's own DAG sends no other notice."""
        values = {"ON": "late", "WEBHOOK": f"{self.hook.url}/{HOOK_PATH}", "WEBHOOK_SECRET": HOOK_SECRET}
        server = f"{self.mailbox.user}:{MAIL_PASSWORD}@127.0.0.1:{self.mailbox.port}"
        values |= {"URLS": f"mailto://{server}/team@example.com?from=ci@example.com&cto=60"}
        return {f"NIGHTLITE_NOTIFY_{name}": value for name, value in values.items()}

    def configuration(self) -> str:
        """Return what someone adds to airflow.cfg for metrics."""
        on = f"statsd_on = True\nstatsd_host = 127.0.0.1\nstatsd_port = {self.statsd_port}"
        return f"[metrics]\n{on}\nmetrics_allow_list = ^nightlite\n"


@dataclass(frozen=True)
class Deployment:
    """A whole deployment in a temporary folder: its settings, its Airflow, and a logged-in client."""

    settings: Settings
    airflow: LocalAirflow
    rest: AirflowRest
    told: "Told"

    @property
    def folders(self) -> ModelFolders:
        return self.settings.folders(MODEL.name)

    def run(self, dag_id: str = PIPELINE_NAME, **conf: Any) -> FinishedRun:
        """Trigger a run over REST and wait for its end."""
        return self.finished(dag_id, self.rest.trigger(dag_id, conf).dag_run_id)

    def finished(self, dag_id: str, run_id: str) -> FinishedRun:
        """Wait for the end of a run."""
        run: DagRun = wait_until(
            lambda: f"the end of {run_id}: {self.rest.tasks(dag_id, run_id)}",
            lambda: (now := self.rest.run(dag_id, run_id)).finished and now,
            RUN_SECONDS,
            every=1,  # each look costs the API server tens of milliseconds, and the run waits for them
        )
        tasks = {task.task_id: task for task in self.rest.tasks(dag_id, run_id)}
        results = {task_id: self.rest.node_result(dag_id, run_id, task_id) for task_id in tasks}
        return FinishedRun(run_id, run.state, tasks, results)

    def runs(self, dag_id: str, run_type: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG that came about in that way, oldest first."""
        answer = self.rest.http.get(f"dags/{dag_id}/dagRuns", params={"run_type": run_type, "order_by": "run_after"})
        return list(answer.raise_for_status().json()["dag_runs"])

    def asset_events(self, name: str = RELEASE_ASSET) -> list[dict[str, Any]]:
        """Return what an Asset was told, oldest first.

        Airflow 3.3.2 answers 500 until every run that came of it has started.
        """
        query = {"name_pattern": name, "order_by": "timestamp"}
        answer = wait_until(
            f"{name}'s events", lambda: (said := self.rest.http.get("assets/events", params=query)).is_success and said
        )
        return [event["extra"] for event in answer.json()["asset_events"]]

    def only_run(self, dag_id: str) -> FinishedRun:
        """Wait for the one run that something other than this test starts, and for its end."""
        [run] = wait_until(f"a run of {dag_id}", lambda: self.rest.runs(dag_id, limit=2), RUN_SECONDS)
        return self.finished(dag_id, run.dag_run_id)

    def watched(self) -> list[str]:
        """Return what the webhook is told by a run of the watchdog."""
        run = self.run(WATCHDOG)
        assert run.state == "success", self.log(run, "Look", WATCHDOG)
        told = [Notice.model_validate_json(body) for _, _, body in self.told.hook.posts]
        return [reason.text for notice in told if notice.run_id == run.run_id for reason in notice.reasons]

    def tfx(self, *arguments: str, ok: Collection[int] = (0,)) -> str:
        """Return what a module prints in the TFX environment with this deployment's settings."""
        return tfx(self.settings, *arguments, ok=ok)

    def log(self, run: FinishedRun, task_id: str, dag_id: str = PIPELINE_NAME) -> list[str]:
        return self.rest.log_lines(dag_id, run.run_id, run.tasks[task_id])


def _configure(settings: Settings, told: Told) -> None:
    """Add what an operator adds to airflow.cfg: metrics, and a second user, who may look and nothing more."""
    home = settings.var_dir / "airflow"
    home.mkdir(parents=True)
    users = f"[core]\nsimple_auth_manager_users = {USER}:admin,{VIEWER}:viewer\n"
    (home / "airflow.cfg").write_text(users + told.configuration())
    (home / "passwords.json").write_text(json.dumps({name: secrets.token_urlsafe(9) for name in (USER, VIEWER)}))


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("e2e")
    # Without retries: what fails is to fail at once.
    settings = Settings(var_dir=folder / "var", port=free_port(), node_retries=0)
    dags, imported, odd = folder / "dags", folder / "imported", folder / "odd.json"
    dags.mkdir()
    imported.mkdir()
    for file in (
        *(PROJECT / "dags").glob("mnist*.py"),
        PROJECT / "dags/watchdog.py",
        Path(__file__).with_name("more_dags.py"),
    ):
        shutil.copy(file, dags)
    variables = {"NIGHTLITE_VAR_DIR": str(settings.var_dir), "NIGHTLITE_PORT": str(settings.port)}
    variables |= {"NIGHTLITE_MNIST_SCHEDULE": NIGHTLY, "NIGHTLITE_WATCHDOG_HOUR": FAR_HOUR}
    # For what is trained on other data, room for one digit more that is taken for another.
    variables |= {"NIGHTLITE_MNIST_MIN_ACCURACY_CHANGE": "-0.05", "NIGHTLITE_MNIST_MAX_LATENCY_RATIO": "100"}
    with Told.listening() as told, environment({**variables, **told.variables()}):
        _configure(settings, told)
        tfx(settings, "nightlite.deployment.in_tfx.commands", "ingest", "digits", "--model=mnist")
        tfx(settings, "nightlite.deployment.in_tfx.compile", "--model=mnist")
        tfx(settings, "tests.pipelines.odd", str(odd), str(folder / "root"), str(imported))
        with running_airflow(settings, dags) as airflow, logged_in(airflow) as rest:
            for dag_id in (PIPELINE_NAME, CONSUMER, HURRIED, "odd", "twice", TOLD, TIMED, WATCHDOG):
                wait_for_dag(rest, dag_id)
                rest.unpause(dag_id)
            yield Deployment(settings, airflow, rest, told)
