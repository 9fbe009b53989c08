"""Airflow of the bench's own in a temporary folder, with the pipeline's DAG and the yardstick's beside it."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
from rich.console import Console

from bench import program
from bench.peak_memory import PeakMemory
from models.mnist.on_device import MODEL
from nightlite.deployment.client.answers import TaskInstance
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.local import processes, stack
from nightlite.deployment.local.airflow_config import USER
from nightlite.deployment.local.components import read_stack
from nightlite.deployment.models import first_model
from nightlite.deployment.settings import Settings
from nightlite.errors import StackError
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.node_result import NodeResult

NOOP = "noop"
COLD = "cold"
NOOP_TASKS = 8
# Ten parallel imports of TFX would only measure contention for two cores.
COLD_NODES = 2
_POLL_SECONDS = 1.0
_PARSE_SECONDS = 120
_NOOP_DAG = f"""
from airflow.sdk import chain, dag, task

@dag(schedule=None)
def {NOOP}():
    @task
    def nothing():
        return None

    chain(*[nothing.override(task_id=f"noop_{{number}}")() for number in range({NOOP_TASKS})])

{NOOP}()
"""
_COLD_DAG = """
from pathlib import Path

from nightlite.runner.in_airflow.config import AirflowPipelineConfig, NodeSettings
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner

cold = {{"*": NodeSettings(env={{"NIGHTLITE_RUNTIME": "cold"}})}}
config = AirflowPipelineConfig(airflow_dag_config={{"dag_id": {dag_id!r}, "schedule": None}}, node_settings=cold)
dag = AirflowDagRunner(config).run(Path({path!r}))
"""


@dataclass(frozen=True)
class TimedRun:
    """A run that succeeded: seconds from trigger to end, tasks, results, and the largest process in MiB."""

    seconds: float
    tasks: tuple[TaskInstance, ...]
    results: Mapping[str, NodeResult]
    peak_mebibytes: float

    def durations(self) -> list[float]:
        """Return the seconds of each task as Airflow has them."""
        return [task.duration or 0.0 for task in self.tasks]

    def longest(self, count: int = 3) -> str:
        """Return the tasks that took longest, with their seconds, in words."""
        tasks = sorted(self.tasks, key=lambda task: task.duration or 0.0, reverse=True)[:count]
        return ", ".join(f"{task.task_id} {task.duration or 0.0:,.0f} s" for task in tasks)

    def overheads(self) -> list[float]:
        """Return the seconds of each node's task minus its executor's."""
        return [
            (task.duration or 0.0) - self.results[task.task_id].executor_seconds
            for task in self.tasks
            if task.task_id in self.results
        ]


class _Rest(AirflowRest):
    def ended(self, dag_id: str, run_id: str) -> float:
        """Return the end of a finished run, in seconds since the epoch."""
        answer = self.http.get(f"dags/{dag_id}/dagRuns/{run_id}").raise_for_status()
        return datetime.fromisoformat(answer.json()["end_date"]).timestamp()


@dataclass(frozen=True)
class Deployment:
    """A running Airflow, logged in."""

    settings: Settings
    rest: _Rest

    def timed_run(self, dag_id: str, conf: Mapping[str, object] | None = None) -> TimedRun:
        """Trigger a run over REST and wait until it finishes.

        Raises:
          StackError: it did not succeed, or one of its tasks did something else than its work.
        """
        with PeakMemory(self._processes()) as peak:
            started = time.time()
            run_id = self.rest.trigger(dag_id, dict(conf or {})).dag_run_id
            while not (run := self.rest.run(dag_id, run_id)).finished:
                time.sleep(_POLL_SECONDS)
        # No run of the bench asks for an approval, so that task is skipped.
        tasks = tuple(task for task in self.rest.tasks(dag_id, run_id) if not task.task_id.startswith("Approval"))
        if run.state != "success" or any(task.state != "success" for task in tasks):
            states = ", ".join(f"{task.task_id} {task.state}" for task in tasks)
            raise StackError(f"expected every task of {dag_id} to succeed. Received: {states}")
        found = {task.task_id: self.rest.node_result(dag_id, run_id, task.task_id) for task in tasks}
        results = {task_id: result for task_id, result in found.items() if result}
        return TimedRun(self.rest.ended(dag_id, run_id) - started, tasks, results, peak.mebibytes)

    def fresh_run(self, dag_id: str, conf: Mapping[str, object]) -> TimedRun:
        """Return the same for an empty metadata store, with a warm server, so that no node is cached."""
        for folder in (
            self.settings.var_dir / "metadata",
            self.settings.folders(MODEL.name).artifacts,
            self.settings.folders(MODEL.name).releases,
        ):
            shutil.rmtree(folder, ignore_errors=True)
        ensure_warm(self.settings)
        return self.timed_run(dag_id, conf)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Suspend Airflow. Even idle, it would take a tenth of a core or more from the yardstick."""
        found: list[psutil.Process] = []
        for pid in self._components():
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(pid)
                found += [root, *root.children(recursive=True)]
        try:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.suspend()
            yield
        finally:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.resume()

    def _components(self) -> list[int]:
        airflow = read_stack(self.settings.var_dir / "airflow")
        return [component.pid for component in airflow.components] if airflow else []

    def _processes(self) -> list[int]:
        """Return Airflow's components and the warm server, from which all processes of a run descend."""
        return self._components() + warm_servers(self.settings)


def ensure_warm(settings: Settings) -> None:
    """Start the warm server if there is none, and return once it listens."""
    program.run(settings, "nightlite.runner.in_tfx.warm.client", str(settings.compiled_file(first_model())))


def warm_servers(settings: Settings) -> list[int]:
    return [process.pid for process in processes.warm_servers(settings.var_dir)]


@contextlib.contextmanager
def deployment(settings: Settings) -> Iterator[Deployment]:
    """Yield an Airflow with the DAGs, which runs until the block ends. The compiled pipeline must exist."""
    dags = settings.var_dir / "dags"
    _write_dags(settings, dags)
    try:
        airflow = stack.up(settings, dags, Console(quiet=True))
        with _Rest.login(airflow.url, USER, airflow.password()) as rest:
            for dag_id in (first_model().pipeline_name, NOOP, COLD):
                _wait_for(rest, dag_id)
                rest.unpause(dag_id)
            yield Deployment(settings, rest)
    finally:
        stack.down(settings, Console(quiet=True))


def _write_dags(settings: Settings, folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "dags" / f"{first_model().name}.py", folder)
    compiled = CompiledPipeline.read(settings.compiled_file(first_model()))
    first = settings.compiled_file(first_model()).with_name("cold.json")
    compiled.model_copy(update={"nodes": compiled.nodes[:COLD_NODES]}).write(first)
    (folder / "cold.py").write_text(_COLD_DAG.format(dag_id=COLD, path=str(first)), encoding="utf-8")
    (folder / "noop.py").write_text(_NOOP_DAG, encoding="utf-8")


def _wait_for(rest: AirflowRest, dag_id: str) -> None:
    deadline = time.monotonic() + _PARSE_SECONDS
    while not rest.dag(dag_id):
        if time.monotonic() > deadline:
            raise StackError(f"expected Airflow to read the DAG {dag_id}. Received: {rest.import_errors()}")
        time.sleep(0.5)
