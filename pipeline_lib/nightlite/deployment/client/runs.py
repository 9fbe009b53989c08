"""Commands `nightlite trigger`, `status` and `runs`, which start and read runs over REST."""

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from nightlite.deployment.client.access import Access, ask_password, find_access
from nightlite.deployment.client.answers import FINISHED, DagRun
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.client.watch import RunView, node_order, print_failures
from nightlite.deployment.models import the_model
from nightlite.deployment.settings import Settings
from nightlite.errors import RefusedError, StackError
from nightlite.ondevice.headline import verdict
from nightlite.ondevice.node_facts import facts_of
from nightlite.ondevice.outcome import Outcome
from nightlite.ondevice.report_files import REPORT_ROUTE
from nightlite.ondevice.run_summary import VERDICT, RunSummary, outcome_of, report_page, summarize
from nightlite.runner.node_result import NodeResult
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


def connect(config: Settings) -> tuple[Access, AirflowRest]:
    """Return the Airflow that the environment names, or the local one, with a connection to it.

    Raises:
      StackError: there is no Airflow.
      SettingsError: the environment is incomplete.
    """
    access = find_access(config, ask_password)
    if access is None:
        raise StackError(
            "expected an Airflow: NIGHTLITE_URL and who asks it, or a local one. Received: neither; "
            "run 'make up' for the second"
        )
    return access, AirflowRest(access)


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
    access, rest = connect(config)
    with rest:
        with _import_error_first(rest):
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
    access, rest = connect(config)
    with rest:
        with _import_error_first(rest):
            view = RunView(rest, the_model().pipeline_name, run_id or _newest(rest), node_order(config))
            run = view.look()
        if not as_json:
            table_console().print(view.table())
        if why := rest.import_error(the_model().pipeline_name):
            Console(stderr=True).print(_broken(why), soft_wrap=True, highlight=False, markup=False)
        _tell_of_lost_scheduler(rest, run)
        return _tell(access, view, run, as_json=as_json, to_the_end=True)


def _newest(rest: AirflowRest) -> str:
    for run in rest.runs(the_model().pipeline_name, 1):
        return run.dag_run_id
    raise RefusedError(
        f"expected a run of {the_model().pipeline_name}. Received: none yet; 'nightlite trigger' starts one"
    )


@contextlib.contextmanager
def _import_error_first(rest: AirflowRest) -> Iterator[None]:
    """Raise the DAG's import error in place of a refusal that it caused."""
    try:
        yield
    except RefusedError:
        why = None
        with contextlib.suppress(StackError):  # a user who may not trigger may not read the error either
            why = rest.import_error(the_model().pipeline_name)
        if why:
            raise StackError(_broken(why)) from None
        raise


def _broken(why: str) -> str:
    return f"the DAG {the_model().pipeline_name} cannot be imported, and no new run can start. Received: {why}"


def runs(config: Settings, limit: int, *, as_json: bool = False) -> int:
    """List the newest runs with their releases. Return 0.

    Raises:
      StackError: Airflow cannot be reached.
    """
    _, rest = connect(config)
    with rest:
        found = [(run, *_decisive(rest, run)) for run in rest.runs(the_model().pipeline_name, limit)]
    if as_json:
        Console(soft_wrap=True).print_json(data=[_listed(run, results) for run, results, _ in found])
        return 0
    # Fold run ids in narrow terminals, never cut them: people copy them.
    table = Table(Column("run", overflow="fold"), "state", "started (UTC)", "seconds", "outcome", "parameters")
    for run, results, failed in found:
        started = f"{run.start_date:%Y-%m-%d %H:%M}" if run.start_date else ""
        seconds = "" if run.duration is None else f"{run.duration:.0f}"
        told = ", ".join(f"{name}={value}" for name, value in (run.conf or {}).items())
        line = verdict(results, failed) if run.finished else ""
        table.add_row(run.dag_run_id, run.state, started, seconds, escape(line), escape(told))
    table_console().print(table)
    return 0


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
        console.print(*verdict_lines(summary, run.state), sep="\n", markup=False)
        if report_page(view.results.values()):
            console.print(f"Its report: {found.url}/plugin/{REPORT_ROUTE}")
    elif to_the_end:
        Console(soft_wrap=True, highlight=False).print(f"This run is {run.state}: {found.url}", markup=False)
    return found.exit_code if to_the_end else 0


def _tell_of_lost_scheduler(rest: AirflowRest, run: DagRun) -> None:
    if not run.finished and (why := rest.lost_scheduler()):
        Console(stderr=True).print(why, soft_wrap=True, highlight=False)


def verdict_lines(summary: RunSummary, state: str) -> list[str]:
    pushed = summary.pushed_why or (f"pushed to {summary.pushed}" if summary.pushed else "nothing was pushed")
    release = f"Release: {pushed}"
    if summary.blessed is None and state == "failed":
        return [release]  # the failure above names the reason, which may be DataGate's own refusal
    blessed = {True: "Blessed", False: "Not blessed", None: "Not judged"}[summary.blessed]
    return [f"{blessed}: {summary.blessed_why}", release]


def _decisive(rest: AirflowRest, run: DagRun) -> tuple[dict[str, NodeResult], list[str] | None]:
    """Return the results that decide a run's outcome and, for a failed run, its failed nodes in order."""
    failed: list[str] | None = None
    wanted = [the_model().pusher] if run.finished else []
    if run.state == "failed":
        tasks = [task for task in rest.tasks(the_model().pipeline_name, run.dag_run_id) if task.state == "failed"]
        tasks.sort(key=lambda task: task.start_date.timestamp() if task.start_date else math.inf)
        failed = [task.task_id for task in tasks]
        wanted += failed[:1]
    found = {node_id: rest.node_result(the_model().pipeline_name, run.dag_run_id, node_id) for node_id in wanted}
    if (pusher := found.get(the_model().pusher)) and facts_of(pusher).outcome is Outcome.refused:
        found[VERDICT] = rest.node_result(the_model().pipeline_name, run.dag_run_id, VERDICT)
    return {node_id: result for node_id, result in found.items() if result}, failed


def _listed(run: DagRun, results: Mapping[str, NodeResult]) -> dict[str, Any]:
    """Return a run as `--json` lists it. `pushed` is the released version, or the reason why there is none."""
    pusher = results.get(the_model().pusher)
    release = pusher and facts_of(pusher)
    pushed = pusher and release and (release.pushed_version if release.outcome is Outcome.released else pusher.reason)
    outcome = outcome_of(results.values(), run.state == "failed") if run.finished else None
    facts = run.model_dump(mode="json", exclude={"dag_run_id"})
    return {"run_id": run.dag_run_id, **facts, "outcome": outcome, "pushed": pushed}


def _address(access: Access, run: DagRun) -> str:
    return f"{access.url}/dags/{the_model().pipeline_name}/runs/{run.dag_run_id}"
