"""Commands `nightlite trigger` and `status`, which start and read one run over REST."""

import math
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from nightlite.deployment.client import connection
from nightlite.deployment.client.access import Access
from nightlite.deployment.client.answers import FINISHED, DagRun
from nightlite.deployment.client.import_error import broken_dag, import_error_first
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.client.watch import RunView, node_order, print_failures
from nightlite.deployment.models import the_model
from nightlite.deployment.settings import Settings
from nightlite.errors import RefusedError, StackError
from nightlite.ondevice.report_files import REPORT_ROUTE
from nightlite.ondevice.results.run_summary import RunSummary, report_page, summarize
from nightlite.table_console import table_console

EXIT_INTERRUPTED = 130


class RunStatus(BaseModel):
    """A run as `--json` prints it.

    `nodes` holds the tasks' states, `conf` the parameters that differ from the defaults.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    state: str
    conf: dict[str, Any]
    note: str | None
    url: str
    nodes: dict[str, str | None]
    summary: RunSummary

    @property
    def exit_code(self) -> int:
        """Return the outcome's exit code, or 0 while the run goes on."""
        return self.summary.exit_code if self.state in FINISHED else 0


def trigger(
    config: Settings,
    conf: Mapping[str, Any],
    *,
    run_id: str | None = None,
    note: str | None = None,
    wait: bool = False,
    seconds: float = math.inf,
    as_json: bool = False,
) -> int:
    """Start one run, or find the run of that id. With `wait`, watch it until it finishes. Return the exit code.

    Raises:
      RunRefusedError: Airflow refuses the parameters.
      StackError: Airflow cannot be reached, or the run has not finished after `seconds` and goes on.
    """
    # Keep standard output for the answer, for programs that read it.
    console = Console(stderr=as_json)
    access, rest = connection.connect(config)
    with rest:
        with import_error_first(rest):
            run = (
                rest.trigger_once(the_model().pipeline_name, run_id, dict(conf), note)
                if run_id
                else rest.trigger(the_model().pipeline_name, dict(conf), note)
            )
        console.print(f"Run {run.dag_run_id}: {run.state}. {_address(access, run)}", soft_wrap=True, highlight=False)
        if not run.finished and (dag := rest.dag(the_model().pipeline_name)) and dag.is_paused:
            console.print("The DAG is paused: the run waits until someone unpauses it.", soft_wrap=True)
        _tell_of_lost_scheduler(rest, run)
        view = RunView(rest, the_model().pipeline_name, run.dag_run_id, node_order(config))
        run = _watch(view, console, seconds) if wait else view.look()
        return _tell(access, view, run, as_json=as_json, to_the_end=wait)


def status(config: Settings, run_id: str | None, *, as_json: bool = False) -> int:
    """Show the present state of one run, by default the newest. Return the exit code.

    Raises:
      StackError: there is no such run, or Airflow cannot be reached.
    """
    access, rest = connection.connect(config)
    with rest:
        with import_error_first(rest):
            view = RunView(rest, the_model().pipeline_name, run_id or _newest(rest), node_order(config))
            run = view.look()
        if not as_json:
            table_console().print(view.table())
        if why := rest.import_error(the_model().pipeline_name):
            Console(stderr=True).print(broken_dag(why), soft_wrap=True, highlight=False, markup=False)
        _tell_of_lost_scheduler(rest, run)
        return _tell(access, view, run, as_json=as_json, to_the_end=True)


def _newest(rest: AirflowRest) -> str:
    for run in rest.runs(the_model().pipeline_name, 1):
        return run.dag_run_id
    raise RefusedError(
        f"expected a run of {the_model().pipeline_name}. Received: none yet; 'nightlite trigger' starts one"
    )


def _watch(view: RunView, console: Console, seconds: float) -> DagRun:
    try:
        run = view.watch(console, seconds)
    except KeyboardInterrupt:
        console.print(f"\nNot watching any more; run {view.run_id} goes on: 'nightlite status {view.run_id}'.")
        sys.exit(EXIT_INTERRUPTED)
    if not run.finished:
        raise StackError(
            f"run {view.run_id} was not over after {seconds:g} s: it goes on. Look at it with "
            f"'nightlite status {view.run_id}'; the same trigger with --run-id {view.run_id} waits for it again"
        )
    return run


def _tell(access: Access, view: RunView, run: DagRun, *, as_json: bool, to_the_end: bool) -> int:
    summary = summarize({name: result for name, result in view.results.items() if result}, run.state == "failed")
    found = RunStatus(
        run_id=run.dag_run_id,
        state=run.state,
        conf=run.conf or {},
        note=run.note,
        url=_address(access, run),
        nodes={task.task_id: task.state for task in view.tasks},
        summary=summary,
    )
    if as_json:
        Console(soft_wrap=True).print_json(found.model_dump_json())
    elif to_the_end and run.finished:
        console = Console(soft_wrap=True, highlight=False)
        if run.state == "failed":
            print_failures(view, console)
        console.print(*summary_lines(summary, run.state), sep="\n", markup=False)
        if report_page(view.results.values()):
            console.print(f"Its report: {found.url}/plugin/{REPORT_ROUTE}")
    elif to_the_end:
        Console(soft_wrap=True, highlight=False).print(f"This run is {run.state}: {found.url}", markup=False)
    return found.exit_code if to_the_end else 0


def _tell_of_lost_scheduler(rest: AirflowRest, run: DagRun) -> None:
    if not run.finished and (why := rest.lost_scheduler()):
        Console(stderr=True).print(why, soft_wrap=True, highlight=False)


def summary_lines(summary: RunSummary, state: str) -> list[str]:
    pushed = summary.pushed_why or (f"pushed to {summary.pushed}" if summary.pushed else "nothing was pushed")
    release = f"Release: {pushed}"
    if summary.blessed is None and state == "failed":
        return [release]  # the failure above names the reason, which may be DataGate's own refusal
    blessed = {True: "Blessed", False: "Not blessed", None: "Not judged"}[summary.blessed]
    return [f"{blessed}: {summary.blessed_why}", release]


def _address(access: Access, run: DagRun) -> str:
    return f"{access.url}/dags/{the_model().pipeline_name}/runs/{run.dag_run_id}"
