"""Command `nightlite runs`, which lists the newest runs with their releases."""

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from nightlite.deployment.client import connection
from nightlite.deployment.client.answers import DagRun
from nightlite.deployment.client.import_error import import_error_first
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.settings import Settings
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.results.headline import headline
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.run_summary import JUDGE_NODE, outcome_of
from nightlite.runner.node_result import NodeResult
from nightlite.table_console import table_console


def list_runs(config: Settings, model: OnDeviceModel, limit: int, *, as_json: bool = False) -> int:
    """List the newest runs of a model with their releases. Return 0.

    The table begins with the run that Airflow will make for new data once there is a place for it. JSON has only runs.

    Raises:
      StackError: Airflow cannot be reached, or cannot import the DAG and has no runs of it.
    """
    _, rest = connection.connect(config)
    dag_id = model.pipeline_name
    with rest, import_error_first(rest, dag_id):
        waiting = rest.waiting_event(dag_id)
        found = [(run, *_decisive(rest, model, run)) for run in rest.runs(dag_id, limit)]
    if as_json:
        Console(soft_wrap=True).print_json(
            data=[_listed(run, results.get(model.pusher), results) for run, results, _ in found]
        )
        return 0
    # Fold run ids in narrow terminals, never cut them: people copy them.
    table = Table(Column("run", overflow="fold"), "state", "started (UTC)", "seconds", "outcome", "parameters")
    if waiting:
        why = f"for the data of {waiting:%Y-%m-%d %H:%M}, as soon as the run before it has finished"
        table.add_row("(no id yet)", "queued", "", "", why, "")
    for run, results, failed in found:
        started = f"{run.start_date:%Y-%m-%d %H:%M}" if run.start_date else ""
        seconds = "" if run.duration is None else f"{run.duration:.0f}"
        told = ", ".join(f"{name}={value}" for name, value in (run.conf or {}).items())
        line = headline(results, failed, longest=None) if run.finished else ""
        table.add_row(run.dag_run_id, run.state, started, seconds, escape(line), escape(told))
    table_console().print(table)
    return 0


def _decisive(rest: AirflowRest, model: OnDeviceModel, run: DagRun) -> tuple[dict[str, NodeResult], list[str] | None]:
    """Return the results that decide a run's outcome and, for a failed run, its failed nodes in order."""
    failed: list[str] | None = None
    dag_id = model.pipeline_name
    wanted = [model.pusher] if run.finished else []
    if run.state == "failed":
        tasks = [task for task in rest.tasks(dag_id, run.dag_run_id) if task.state == "failed"]
        tasks.sort(key=lambda task: task.start_date.timestamp() if task.start_date else math.inf)
        failed = [task.task_id for task in tasks]
        wanted += failed[:1]
    found = {node_id: rest.node_result(dag_id, run.dag_run_id, node_id) for node_id in wanted}
    if (pusher := found.get(model.pusher)) and facts_of(pusher).outcome is Outcome.refused:
        found[JUDGE_NODE] = rest.node_result(dag_id, run.dag_run_id, JUDGE_NODE)
    return {node_id: result for node_id, result in found.items() if result}, failed


def _listed(run: DagRun, pusher: NodeResult | None, results: Mapping[str, NodeResult]) -> dict[str, Any]:
    """Return a run as `--json` lists it. `pushed` is the released version, or the reason why there is none."""
    release = pusher and facts_of(pusher)
    pushed = pusher and release and (release.pushed_version if release.outcome is Outcome.released else pusher.reason)
    outcome = outcome_of(results.values(), run.state == "failed") if run.finished else None
    fields = run.model_dump(mode="json", exclude={"dag_run_id"})
    return {"run_id": run.dag_run_id, **fields, "outcome": outcome, "pushed": pushed}
