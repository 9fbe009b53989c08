"""Note on each finished run in Airflow's grid: its outcome in one line.

Airflow calls this listener in the scheduler, within the transaction that ends a run. All its database access is
therefore in a savepoint, and its errors are only logged.

Upstream: apache/airflow#39646, open: what a listener commits in the scheduler's session breaks it. For Airflow 3.3.
"""

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

from nightlite.runner.in_airflow.pages.node_notes import AUTHOR, OPERATOR, in_savepoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

    from nightlite.runner.node_result import NodeResult


@hookimpl
def on_dag_run_success(dag_run: "DagRun", msg: str) -> None:
    in_savepoint(dag_run, write_note, "run")


@hookimpl
def on_dag_run_failed(dag_run: "DagRun", msg: str) -> None:
    in_savepoint(dag_run, write_note, "run")


def write_note(session: "Session", dag_run: "DagRun") -> None:
    """Write the run's note, unless it is no run of a rendered pipeline or a person wrote a note."""
    from airflow.models.dagrun import DagRunNote
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import insert, select, update

    from nightlite.runner.in_airflow.xcom import stored_results

    of_run = (TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id)
    query = select(TaskInstance.task_id, TaskInstance.state, TaskInstance.operator).where(*of_run)
    tasks = session.execute(query.order_by(TaskInstance.end_date)).all()
    if not any(operator == OPERATOR for _, _, operator in tasks):
        return
    author = session.execute(select(DagRunNote.user_id).where(DagRunNote.dag_run_id == dag_run.id)).first()
    if author and author[0] != AUTHOR:
        return
    failed = [task_id for task_id, state, _ in tasks if state == "failed"] if dag_run.state == "failed" else None
    line = _line(stored_results(session, dag_run.dag_id, dag_run.run_id), failed)
    values = {"content": line, "user_id": AUTHOR}
    if author:
        session.connection().execute(update(DagRunNote.__table__).where(DagRunNote.dag_run_id == dag_run.id), values)
    else:
        session.connection().execute(insert(DagRunNote.__table__), {"dag_run_id": dag_run.id, **values})


def _line(results: "Mapping[str, NodeResult]", failed: "list[str] | None") -> str:
    """Return the outcome in one line, with one part for each `TfxTaskGroup`.

    Args:
      results: by task id.
      failed: the failed tasks of a failed run, else None.
    """
    from nightlite.ondevice.results.headline import headline
    from nightlite.runner.in_airflow.xcom import by_group, group_among

    groups = by_group(results)
    if not any(groups):
        return headline(results, failed)
    parts = []
    for group in dict.fromkeys([*groups, *(group_among(task_id, groups) for task_id in failed or ())]):
        mine = [task_id for task_id in failed or () if group_among(task_id, groups) == group]
        node_ids = [task_id.removeprefix(f"{group}.") for task_id in mine]
        line = headline(groups.get(group, {}), node_ids or None)
        parts.append(f"{group}: {line}" if group else line)
    return "; ".join(parts)
