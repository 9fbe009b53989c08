"""Notes on the tasks of a run that has ended, written by Airflow's own call of the listener."""

import pytest

from nightlite.runner.in_airflow.pages import node_notes

FOREIGN = """
from airflow.sdk import DAG, task

with DAG("foreign_notes"):

    @task
    def foreign():
        return {"node_id": "A", "run_id": "x", "state": "cached", "reason": "answered from cache"}

    foreign()
"""


@pytest.fixture
def notes_of(dag_of):
    """Run a pipeline whose nodes behave so; returns (the session, the run, a reader of its notes by task)."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance, TaskInstanceNote
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:

        def read(run):
            session.expire_all()
            joined = select(TaskInstance.task_id, TaskInstanceNote).join(
                TaskInstanceNote, TaskInstanceNote.ti_id == TaskInstance.id
            )
            return dict(session.execute(joined.where(TaskInstance.run_id == run.run_id)).all())

        def run(name, **behave):
            finished = dag_of(name, {node: (how, (), "") for node, how in behave.items()}).test()
            found = session.scalars(select(DagRun).where(DagRun.id == finished.id)).one()
            node_notes.on_dag_run_success(found, "")
            session.commit()
            return session, found, lambda: read(found)

        yield run


def test_a_node_from_the_cache_and_a_skipped_one_say_so_and_no_other(notes_of):
    _, _, notes = notes_of("node-notes", A="cached", B="skip", C="push")
    written = notes()
    assert set(written) == {"A", "B"}
    assert written["A"].content == "cached"
    assert written["B"].content
    assert {note.user_id for note in written.values()} == {node_notes.AUTHOR}


def test_ours_is_replaced_and_a_persons_is_kept(notes_of):
    session, run, notes = notes_of("replaced-notes", A="cached", B="cached")
    notes()["A"].content = "old"
    theirs = notes()["B"]
    theirs.content, theirs.user_id = "mine", "ann"
    node_notes.on_dag_run_failed(run, "")  # not flushed yet, as where a person notes and marks a run in one request
    session.commit()
    written = notes()
    assert written["A"].content == "cached"
    assert (written["B"].content, written["B"].user_id) == ("mine", "ann")


def test_a_foreign_dags_run_gets_none_and_an_error_is_only_logged(airflow_database, airflow_home, caplog):
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstanceNote
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    file = airflow_home / "dags" / "foreign_notes.py"
    file.write_text(FOREIGN)
    finished = DagBag(str(file)).dags["foreign_notes"].test()
    with create_session() as session:
        found = session.scalars(select(DagRun).where(DagRun.id == finished.id)).one()
        before = session.scalar(select(func.count()).select_from(TaskInstanceNote))
        node_notes.on_dag_run_success(found, "")
        session.commit()
        assert session.scalar(select(func.count()).select_from(TaskInstanceNote)) == before
    assert "no note" not in caplog.text
    node_notes.on_dag_run_success(object(), "")
    assert "no note was written on a task" in caplog.text
