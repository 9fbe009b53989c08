"""The note on a run that has ended, written by Airflow's own call of the listener."""

import pytest

from nightlite.ondevice.in_airflow.pages import run_note
from tests.results import node_result


@pytest.fixture
def note_of(dag_of):
    """Run the pipeline, its nodes behaving so; returns (the session, the run, its note)."""
    from airflow.listeners.listener import get_listener_manager
    from airflow.models.dagrun import DagRun, DagRunNote
    from airflow.utils.session import create_session
    from sqlalchemy import select

    # As a plugins folder with the models' plugin has it.
    get_listener_manager().add_listener(run_note)
    with create_session() as session:

        def read(run):
            session.expire_all()
            return session.scalars(select(DagRunNote).where(DagRunNote.dag_run_id == run.id)).first()

        def run(behave):
            nodes = {"A": (behave, (), ""), "B": (behave, (), ""), "C": (behave, ("A", "B"), "")}
            finished = dag_of(f"noted-{behave}", nodes).test()
            found = session.scalars(select(DagRun).where(DagRun.id == finished.id)).one()
            # As the scheduler calls it, with a run of its session; `test()` has none.
            found.notify_dagrun_state_changed("")
            session.commit()
            return session, found, lambda: read(found)

        yield run


def test_a_pushed_and_a_failed_run_have_theirs(note_of):
    _, run, note = note_of("push")
    assert (run.state, note().content, note().user_id) == ("success", "released 3", run_note.AUTHOR)
    _, run, note = note_of("fail")
    # Two nodes fail side by side.
    reasons = {f"failed: {node}: ValueError: no label in features" for node in "AB"}
    assert run.state == "failed" and note().content in reasons


def test_each_task_group_of_a_run_has_its_part():
    gate = "accuracy 0.91 < 0.97"
    results = {
        "a.Pusher": node_result("Pusher", pushed=True, outcome="released", pushed_version="3"),
        "b.EdgeValidator": node_result("EdgeValidator", state="failed", reason=gate),
    }
    assert run_note._line(results, None) == "a: released 3; b: done"
    failed = ["b.EdgeValidator", "theirs"]
    assert run_note._line(results, failed) == f"a: released 3; b: failed: EdgeValidator: {gate}; failed: theirs"


def test_ours_is_replaced_and_a_persons_stays(note_of):
    session, run, note = note_of("cached")
    note().content = "old"
    session.commit()
    run_note.on_dag_run_success(run, "")
    assert note().content == "done"
    theirs = note()
    theirs.content, theirs.user_id = "mine", "ann"
    # Not flushed yet, as where a person notes and marks a run in one request.
    run_note.on_dag_run_success(run, "")
    session.commit()
    assert (note().content, note().user_id) == ("mine", "ann")


def test_whatever_goes_wrong_the_schedulers_transaction_goes_on(note_of, monkeypatch, caplog):
    from airflow.utils.sqlalchemy import prohibit_commit
    from sqlalchemy import text

    session, run, note = note_of("skip")
    before = note().content

    def break_midway(session, dag_run):
        session.connection().execute(text("UPDATE dag_run_note SET content = 'half'"))
        session.connection().execute(text("SELECT nothing FROM nowhere"))

    monkeypatch.setattr(run_note, "write_note", break_midway)
    with prohibit_commit(session) as guard:
        run.conf = {"kept": True}
        run_note.on_dag_run_failed(run, "")
        guard.commit()
    assert (note().content, run.conf) == (before, {"kept": True})
    assert "no note was written" in caplog.text


def test_what_is_no_run_at_all_is_let_be(caplog):
    run_note.on_dag_run_success(object(), "")
    assert "no note was written" in caplog.text


def test_airflow_still_forbids_its_scheduler_a_savepoint_of_the_session():
    from airflow.utils.sqlalchemy import prohibit_commit
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    with Session(create_engine("sqlite://")) as session, prohibit_commit(session):
        savepoint = session.begin_nested()
        with pytest.raises(RuntimeError, match="UNEXPECTED COMMIT"):
            savepoint.commit()
