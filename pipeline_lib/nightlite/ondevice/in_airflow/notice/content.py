"""Content of a notice, from a run's task states, node results and report, or from a missed deadline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nightlite.ondevice.in_airflow.notice.message import FileMetrics, Notice, Reason
from nightlite.ondevice.in_airflow.pages.links import report_url
from nightlite.ondevice.report.contents import ModelColumn
from nightlite.ondevice.report.run_report import Report
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.quality import Quality
from nightlite.ondevice.results.run_summary import JUDGE_NODE, outcome_of, pusher_of, report_page, summarize
from nightlite.runner.in_airflow.pages.links import run_url
from nightlite.runner.node_result import NodeResult

_LONGEST_REASON = 500  # characters, to keep a mail short
_NO_REASON = "left no reason: it was killed, or its worker died"


def finished(
    dag_id: str, run_id: str, states: Mapping[str, str | None], results: Mapping[str, NodeResult], group: str = ""
) -> list[Notice]:
    """Return the notices of a run (or of one of its `TfxTaskGroup`s) whose tasks have all ended, the worst first.

    There are several if, for example, the model was pushed but a task failed.

    Args:
      states: each task's state, by task id.
      results: the nodes' results, by task id.
      group: begins the headlines.
    """
    by_node = {result.node_id: result for result in results.values()}
    told: list[Notice] = []
    outcome, pusher = outcome_of(results.values()), pusher_of(results.values())
    version = int(made) if pusher and (made := facts_of(pusher).pushed_version) else None
    about = Notice(
        event="failed", headline="", pipeline=dag_id, run_id=run_id, run_url=run_url(dag_id, run_id), release=version
    ).model_copy(update=_figures(dag_id, run_id, by_node, group))

    def tell(event: str, headline: str, reasons: list[Reason]) -> None:
        headline = f"{group}: {headline}" if group else headline
        told.append(about.model_copy(update={"event": event, "headline": headline, "reasons": tuple(reasons)}))

    failed = [task_id for task_id, state in states.items() if state == "failed"]
    if failed or "upstream_failed" in states.values():
        reasons = [_failure(about.run_url, task_id, results.get(task_id)) for task_id in failed]
        tell(Outcome.failed.event, f"{', '.join(failed) or 'a task'} failed", reasons)
    # The node that judges has the others' gates too.
    judges = [by_node[JUDGE_NODE]] if JUDGE_NODE in by_node else list(results.values())
    refusals = [text for result in judges for text in facts_of(result).refusals]
    if outcome is Outcome.released:
        tell(outcome.event, f"release {version}", [])
    elif outcome is Outcome.refused and refusals:
        tell(outcome.event, _gates(len(refusals)), [Reason(text=text) for text in refusals])
    elif outcome and pusher:
        why = _shortened(pusher.reason or outcome.words)
        of_log = [
            Reason(text=why, url=_log_url(about.run_url, next(name for name in results if results[name] is pusher)))
        ]
        tell(outcome.event, why, of_log if outcome.is_refusal else [])
    elif not told and (skipped := [task_id for task_id, state in states.items() if state == "skipped"]):
        # Such as a Pusher below a condition that is false.
        tell(Outcome.refused.event, f"{', '.join(skipped)} skipped, nothing was pushed", _reasons_of(skipped, results))
    return told


def timed_out(dag_id: str, run_id: str) -> Notice:
    """Return the notice of a run that Airflow ended at its DAG's `dagrun_timeout`."""
    return Notice(
        event="failed",
        pipeline=dag_id,
        run_id=run_id,
        headline="ended: the run took longer than it may",
        run_url=run_url(dag_id, run_id),
    )


def task_failed(dag_id: str, run_id: str, task_id: str, why: str) -> Notice:
    """Return the notice of a task that failed in its last try, in a DAG that is no model's run."""
    address = run_url(dag_id, run_id)
    reason = Reason(text=_shortened(why or f"{task_id} {_NO_REASON}"), url=_log_url(address, task_id))
    return Notice(
        event="failed",
        pipeline=dag_id,
        run_id=run_id,
        headline=f"{task_id} failed",
        reasons=(reason,),
        run_url=address,
    )


def late(context: Mapping[str, Any]) -> Notice:
    """Return the notice of a run that missed its deadline, from the context of a deadline's callback."""
    run, deadline = context.get("dag_run") or {}, context.get("deadline") or {}
    dag_id, run_id = str(run.get("dag_id")), str(run.get("dag_run_id"))
    return Notice(
        event="late",
        pipeline=dag_id,
        run_id=run_id,
        headline=f"not finished by {deadline.get('deadline_time')}: {run.get('state')} since "
        f"{run.get('start_date') or run.get('queued_at')}",
        run_url=run_url(dag_id, run_id),
    )


def _failure(address: str, task_id: str, result: NodeResult | None) -> Reason:
    why = (result and result.reason) or _NO_REASON
    return Reason(text=f"{task_id}: {_shortened(why)}", url=_log_url(address, task_id))


def _log_url(address: str, task_id: str) -> str:
    return f"{address}/tasks/{task_id}"


def _reasons_of(task_ids: list[str], results: Mapping[str, NodeResult]) -> list[Reason]:
    given = [(task_id, results[task_id].reason) for task_id in task_ids if task_id in results]
    return [Reason(text=f"{task_id}: {_shortened(reason)}") for task_id, reason in given if reason]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} […]"


def _gates(count: int) -> str:
    return f"{count} gate{'' if count == 1 else 's'} not passed, nothing was pushed"


def _figures(dag_id: str, run_id: str, results: Mapping[str, NodeResult], group: str) -> dict[str, Any]:
    """Return the run's and the last release's figures from the report, else the run's alone from the nodes."""
    page = report_page(results.values())
    report, address = _report(page), report_url(dag_id, run_id, group) if page else None
    if not report:
        tflite = summarize(results).tflite
        return {"model": FileMetrics(**_quality(tflite), size_bytes=tflite.bytes), "report_url": address}
    released = report.model("released")
    return {
        "model": _of(report.model("tflite")),
        "last_release": _of(released) if released else None,
        "report_url": address,
    }


def _report(page: str | None) -> Report | None:
    """Return a page's figures, or None if they cannot be read or belong to no model, as for refused data."""
    try:
        return Report.read(Path(page).parent) if page else None
    except (OSError, ValueError):
        return None


def _of(column: ModelColumn | None) -> FileMetrics:
    if not column:
        return FileMetrics()
    latency = column.measurements.latency_ms.get("p50") if column.measurements else None
    return FileMetrics(**_quality(column), size_bytes=column.size_bytes, latency_ms=latency)


def _quality(found: Quality) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Quality.model_fields}
