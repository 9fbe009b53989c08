"""View of one run: a live table in a terminal, else one plain line per change."""

import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich import box
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
# Elsewhere than on a terminal, a line at least this often: no silence over five seconds.
STILL_SECONDS = 4
# A line of a training's log, as the examples' Trainers write it. A model's own need not.
_EPOCH = re.compile(r"epoch (\d+) of (\d+)\b.*")
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
    epochs: dict[str, list[str]] = field(default_factory=dict)
    _next_log: float = 0.0

    def watch(self, console: Console, seconds: float = math.inf) -> DagRun:
        """Show the nodes until the run finishes or the seconds have passed. Return the run as it is then."""
        until = time.monotonic() + seconds
        if not console.is_terminal or console.is_dumb_terminal:
            return self._watch_lines(console, until)
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                run = self.look()
                live.update(self.table(one_line_each=True), refresh=True)
                if run.finished or time.monotonic() > until:
                    return run
                time.sleep(POLL_SECONDS)

    def _watch_lines(self, console: Console, until: float) -> DagRun:
        shown: set[str] = set()
        said = time.monotonic()
        while True:
            run = self.look()
            lines = [line for line in self._lines() if line not in shown]
            shown.update(lines)
            if not lines and not run.finished and time.monotonic() - said >= STILL_SECONDS:
                lines = [self._still(run)]
            for line in lines:
                console.print(line, soft_wrap=True, markup=False, highlight=False)
                said = time.monotonic()
            if run.finished or time.monotonic() > until:
                return run
            time.sleep(POLL_SECONDS)

    def _lines(self) -> Iterator[str]:
        """Yield all that is to be said of the run so far, a line each."""
        if self.waiting:
            yield f"{min(self.waiting)}: {WAITING}"
        for task in self.tasks:
            for epoch in self.epochs.get(task.task_id, ()):
                yield f"{task.task_id}: {epoch}"
            state = self._state(task)
            if task.state in _OVER:
                yield f"{task.task_id}: {state} {_seconds(task)} {self._note(task)}".rstrip()
            elif state not in ("", "scheduled", "queued"):
                again = f" (try {task.try_number})" if task.try_number > 1 else ""
                yield f"{task.task_id}: {state}{again} {self._note(task)}".rstrip()

    def _still(self, run: DagRun) -> str:
        running = [f"{task.task_id} {_seconds(task)} s" for task in self.tasks if task.state == "running"]
        return f"… {', '.join(running)}" if running else f"… the run is {run.state}, no node is running"

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
        self._look_into_logs()
        return run

    def _look_into_logs(self) -> None:
        """Find the nodes that wait for the warm server, and the epochs of a training.

        Once a node has finished, the server is there.
        """
        running = [task for task in self.tasks if task.state == "running"]
        first = [] if self.results else running
        if not first:
            self.waiting = frozenset()
        trainers = [task for task in running if task.task_id.startswith("Trainer.")]
        read = {task.task_id: task for task in (*first, *trainers)}
        if read and time.monotonic() >= self._next_log:
            self._next_log = time.monotonic() + LOG_SECONDS
            logs = {name: self.rest.log_lines(self.dag_id, self.run_id, task) for name, task in read.items()}
            self.waiting = frozenset(task.task_id for task in first if logs[task.task_id][-1:] == [WAITING])
            for task in trainers:
                self.epochs[task.task_id] = [line for line in logs[task.task_id] if _EPOCH.fullmatch(line)]

    def _state(self, task: TaskInstance) -> str:
        result = self.results.get(task.task_id)
        return "cached" if task.state == "success" and result and result.state == "cached" else task.state or ""

    def _note(self, task: TaskInstance) -> str:
        if task.state == "awaiting_input":
            return "waits for a person: answer under 'Required actions' in Airflow"
        result = self.results.get(task.task_id)
        return (result.reason if result else None) or ""

    def table(self, *, one_line_each: bool = False) -> Table:
        """Return the nodes as a table. With `one_line_each`, a long note is cut."""
        title = f"{self.dag_id} {self.run_id}"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD if one_line_each else box.HEAVY_HEAD)
        # The note has what the other columns leave of the width.
        table.expand = one_line_each
        for name in ("node", "state", "seconds"):
            table.add_column(name, no_wrap=one_line_each)
        table.add_column("note", no_wrap=one_line_each, overflow="ellipsis" if one_line_each else "fold", ratio=1)
        for task in self.tasks:
            state = self._state(task)
            note = WAITING if task.task_id in self.waiting else self._note(task) or self._epoch(task)
            table.add_row(task.task_id, f"[{_STYLE.get(state, 'default')}]{state}[/]", _seconds(task), note)
        return table

    def _epoch(self, task: TaskInstance) -> str:
        epochs = self.epochs.get(task.task_id)
        return epochs[-1] if epochs and task.state == "running" else ""


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
