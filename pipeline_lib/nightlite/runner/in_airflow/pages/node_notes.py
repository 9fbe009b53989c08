"""Notes on the tasks of a finished run that ran nothing, with the reason: answered from cache, or skipped.

Airflow's grid marks each task that has a note. The plugin registers this listener. Airflow calls it in the scheduler,
within the transaction that ends a run. All its database access is therefore in a savepoint, and its errors are only
logged. Runs without a node of a pipeline cost one query.

Upstream: apache/airflow#39646, open: what a listener commits in the scheduler's session breaks it. For Airflow 3.3.
"""

import logging
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

# Author of our notes. A person's note has a person's id, and is kept.
AUTHOR = "nightlite"
# Tasks of ours, by the operator that Airflow records.
OPERATOR = "TfxNodeOperator"
_NOTED = ("cached", "skipped")
_MOST = 1000  # of Airflow's column
_LOG = logging.getLogger(__name__)


@hookimpl
def on_dag_run_success(dag_run: "DagRun", msg: str) -> None:
    in_savepoint(dag_run, write_notes, "a task of run")


@hookimpl
def on_dag_run_failed(dag_run: "DagRun", msg: str) -> None:
    in_savepoint(dag_run, write_notes, "a task of run")


def in_savepoint(dag_run: "DagRun", write: "Callable[[Session, DagRun], None]", noted: str) -> None:
    """Call `write` with the run's session, in a savepoint of the transaction that ends the run. Log its errors."""
    try:
        from sqlalchemy.orm import object_session

        if session := object_session(dag_run):
            session.flush()  # otherwise a note that a person has just written would not be seen
            # On the connection: the scheduler's session forbids commits, and a savepoint's counts as one.
            with session.no_autoflush, session.connection().begin_nested():
                write(session, dag_run)
    except Exception:
        _LOG.exception("no note was written on %s %s", noted, getattr(dag_run, "run_id", "?"))


def write_notes(session: "Session", dag_run: "DagRun") -> None:
    """Write the notes of a run's nodes. Ours are replaced, and a person's are kept."""
    from airflow.models.taskinstance import TaskInstance, TaskInstanceNote
    from sqlalchemy import delete, insert, select

    from nightlite.runner.in_airflow.xcom import stored_results

    of_run = (TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id)
    nodes = select(TaskInstance.id, TaskInstance.task_id).where(*of_run, TaskInstance.operator == OPERATOR)
    tasks = {task_id: task for task, task_id in session.execute(nodes)}
    if not tasks:
        return
    notes, connection = TaskInstanceNote.__table__, session.connection()
    connection.execute(delete(notes).where(notes.c.ti_id.in_(tasks.values()), notes.c.user_id == AUTHOR))
    theirs = set(connection.scalars(select(notes.c.ti_id).where(notes.c.ti_id.in_(tasks.values()))))
    results = stored_results(session, dag_run.dag_id, dag_run.run_id)
    written = [
        {"ti_id": task, "user_id": AUTHOR, "content": (result.reason or result.state)[:_MOST]}
        for task_id, task in tasks.items()
        if (result := results.get(task_id)) and result.state in _NOTED and task not in theirs
    ]
    if written:
        connection.execute(insert(notes), written)
