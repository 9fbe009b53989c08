"""Commands `nightlite trigger` and `status`, which start and read one run over REST."""

import contextlib
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
from nightlite.deployment.models import model_named, models
from nightlite.deployment.settings import Settings
from nightlite.errors import NoRunError, RefusedError, StackError, UsageError
from nightlite.ondevice.model import OnDeviceModel
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
    model: OnDeviceModel,
    conf: Mapping[str, Any],
    *,
    run_id: str | None = None,
    note: str | None = None,
    wait: bool = False,
    seconds: float = math.inf,
    as_json: bool = False,
) -> int:
    """Start one run of a model, or find the run of that id. Return the exit code.

    With `wait`, watch it until it finishes.

    Raises:
      RunRefusedError: Airflow refuses the parameters.
      StackError: Airflow cannot be reached, or the run has not finished after `seconds` and goes on.
    """
    # Keep standard output for the answer, for programs that read it.
    console = Console(stderr=as_json)
    access, rest = connection.connect(config)
    dag_id = model.pipeline_name
    with rest:
        with import_error_first(rest, dag_id):
            run = (
                rest.trigger_once(dag_id, run_id, dict(conf), note)
                if run_id
                else rest.trigger(dag_id, dict(conf), note)
            )
        view = RunView(rest, dag_id, run.dag_run_id, node_order(config, model))
        console.print(f"Run {run.dag_run_id}: {run.state}. {_address(access, view)}", soft_wrap=True, highlight=False)
        if not run.finished and (dag := rest.dag(dag_id)) and dag.is_paused:
            console.print("The DAG is paused: the run waits until someone unpauses it.", soft_wrap=True)
        _tell_of_lost_scheduler(rest, run)
        run = _watch(view, console, seconds) if wait else view.look()
        return _tell(access, view, run, as_json=as_json, to_the_end=wait)


def status(config: Settings, model_name: str | None, run_id: str | None, *, as_json: bool = False) -> int:
    """Show the present state of one run, by default the newest of the model. Return the exit code.

    A run's id alone finds its model.

    Raises:
      StackError: there is no such run, or Airflow cannot be reached.
      UsageError: neither names the model, and there are several.
    """
    access, rest = connection.connect(config)
    with rest:
        model = _model_of_run(rest, run_id) if run_id and model_name is None else model_named(model_name)
        dag_id = model.pipeline_name
        with import_error_first(rest, dag_id):
            view = RunView(rest, dag_id, run_id or _newest(rest, model), node_order(config, model))
            run = view.look()
        if not as_json:
            table_console().print(view.table())
        if why := rest.import_error(dag_id):
            Console(stderr=True).print(broken_dag(dag_id, why), soft_wrap=True, highlight=False, markup=False)
        _tell_of_lost_scheduler(rest, run)
        return _tell(access, view, run, as_json=as_json, to_the_end=True)


def _model_of_run(rest: AirflowRest, run_id: str) -> OnDeviceModel:
    """Return the model that has the run of this id: the only model, or the one whose DAG has such a run."""
    known = models()
    if len(known) == 1:
        return model_named()
    found = []
    for model in known.values():
        with contextlib.suppress(RefusedError):  # no such run, or not this user's to see
            rest.run(model.pipeline_name, run_id)
            found.append(model)
    if not found:
        raise NoRunError(
            f"expected a run of one of {', '.join(known)}. Received: {run_id}, and there is none; "
            "'nightlite runs --model NAME' lists them"
        )
    if len(found) > 1:
        both = ", ".join(model.name for model in found)
        raise UsageError(f"expected --model NAME, because {both} have a run {run_id}. Received: none")
    return found[0]


def _newest(rest: AirflowRest, model: OnDeviceModel) -> str:
    for run in rest.runs(model.pipeline_name, 1):
        return run.dag_run_id
    raise RefusedError(
        f"expected a run of {model.pipeline_name}. Received: none yet; "
        f"'nightlite trigger --model {model.name}' starts one"
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
        url=_address(access, view),
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


def _address(access: Access, view: RunView) -> str:
    return f"{access.url}/dags/{view.dag_id}/runs/{view.run_id}"
