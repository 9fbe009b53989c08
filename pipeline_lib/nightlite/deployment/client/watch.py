"""View of one run: a live table in a terminal, else one plain line per change."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.table import Table

from nightlite.deployment.client.answers import DagRun, TaskInstance
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.settings import Settings
from nightlite.errors import CompiledPipelineError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.node_result import NodeResult
from nightlite.runner.warm_start import WAITING

POLL_SECONDS = 0.5
_LOG_LINES = 15
# A log is read less often than the states.
LOG_SECONDS = 2
_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
_STYLE = {"success": "green", "cached": "cyan", "failed": "red", "upstream_failed": "red", "skipped": "magenta"}


@dataclass
class RunView:
    """Nodes of one run as last seen. `results` grows as nodes finish."""

    rest: AirflowRest
    dag_id: str
    run_id: str
    order: Sequence[str] = ()
    tasks: list[TaskInstance] = field(default_factory=list)
    results: dict[str, NodeResult | None] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    _next_log: float = 0.0

    def watch(self, console: Console, seconds: float = math.inf) -> DagRun:
        """Show the nodes until the run finishes or the seconds have passed. Return the run as it is then."""
        until = time.monotonic() + seconds
        if not console.is_terminal:
            return self._watch_lines(console, until)
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                run = self.look()
                live.update(self.table(), refresh=True)
                if run.finished or time.monotonic() > until:
                    return run
                time.sleep(POLL_SECONDS)

    def _watch_lines(self, console: Console, until: float) -> DagRun:
        shown: dict[str, str] = {}
        told = False
        while True:
            run = self.look()
            if self.waiting and not told:
                console.print(f"{min(self.waiting)}: {WAITING}", soft_wrap=True, markup=False, highlight=False)
                told = True
            for task in self.tasks:
                state = self._state(task)
                if state not in ("", "scheduled", "queued", shown.get(task.task_id)):
                    shown[task.task_id] = state
                    line = f"{task.task_id}: {state} {_seconds(task)} {self._note(task)}"
                    console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)
            if run.finished or time.monotonic() > until:
                return run
            time.sleep(POLL_SECONDS)

    def look(self) -> DagRun:
        """Read the run and its nodes once."""
        # Read the run first: once it has finished, all tasks are in their last state.
        run = self.rest.run(self.dag_id, self.run_id)
        position = {task_id: index for index, task_id in enumerate(self.order)}
        tasks = self.rest.tasks(self.dag_id, self.run_id)
        self.tasks = sorted(tasks, key=lambda task: (position.get(task.task_id, len(position)), task.task_id))
        for task in self.tasks:
            if task.state in _OVER and task.task_id not in self.results:
                self.results[task.task_id] = self.rest.node_result(self.dag_id, self.run_id, task.task_id)
        self._look_for_waiting()
        return run

    def _look_for_waiting(self) -> None:
        """Find the nodes that wait for the warm server. Once a node has finished, the server is there."""
        first = [] if self.results else [task for task in self.tasks if task.state == "running"]
        if not first:
            self.waiting = frozenset()
        elif time.monotonic() >= self._next_log:
            self._next_log = time.monotonic() + LOG_SECONDS
            ends = {task.task_id: self.rest.log_lines(self.dag_id, self.run_id, task)[-1:] for task in first}
            self.waiting = frozenset(task_id for task_id, end in ends.items() if end == [WAITING])

    def _state(self, task: TaskInstance) -> str:
        result = self.results.get(task.task_id)
        return "cached" if task.state == "success" and result and result.state == "cached" else task.state or ""

    def _note(self, task: TaskInstance) -> str:
        if task.state == "awaiting_input":
            return "waits for a person: answer under 'Required actions' in Airflow"
        result = self.results.get(task.task_id)
        return (result.reason if result else None) or ""

    def table(self) -> Table:
        table = Table("node", "state", "seconds", "note", title=f"{self.dag_id} {self.run_id}", title_justify="left")
        for task in self.tasks:
            state = self._state(task)
            note = WAITING if task.task_id in self.waiting else self._note(task)
            table.add_row(task.task_id, f"[{_STYLE.get(state, 'default')}]{state}[/]", _seconds(task), note)
        return table


def print_failures(view: RunView, console: Console) -> None:
    """Print the last log lines of the failed nodes."""
    console.print(f"Run {view.run_id} failed.", soft_wrap=True)
    for task in view.tasks:
        if task.state == "failed":
            console.print(f"{task.task_id}, the end of its log:")
            for line in view.rest.log_lines(view.dag_id, view.run_id, task)[-_LOG_LINES:]:
                console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)


def node_order(settings: Settings, model: OnDeviceModel) -> list[str]:
    """Return the node ids in the order of the model's pipeline, or none on a machine without the compiled pipeline."""
    try:
        return [node.id for node in CompiledPipeline.read(settings.compiled_file(model)).nodes]
    except CompiledPipelineError:
        return []


def _seconds(task: TaskInstance) -> str:
    if task.duration is not None:
        return f"{task.duration:.1f}"
    return f"{(datetime.now(UTC) - task.start_date).total_seconds():.0f}" if task.start_date else ""
