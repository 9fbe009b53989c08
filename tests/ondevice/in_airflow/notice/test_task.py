"""The last task of a run, in Airflow's own task runner: what it tells of each outcome, and that it changes none."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import BaseOperator
from airflow.serialization.serialized_objects import DagSerialization

from nightlite.ondevice.in_airflow.notice.message import Notice
from nightlite.ondevice.in_airflow.notice.task import NOTICE_TASK, NoticeOperator, end_with_notice, tell_of_timeout
from tests.receivers import Hook, http_server
from tests.results import node_result

SECRET = "a-secret-that-nobody-may-see"


@pytest.fixture
def dag_of(dag_of: Callable[..., DAG]) -> Callable[..., DAG]:
    """Return DAGs that end with a notice."""
    return partial(dag_of, notice=True)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """Yield the webhook that the environment names, with a secret."""
    with http_server() as server:
        monkeypatch.setenv("NIGHTLITE_NOTIFY_WEBHOOK", f"{server.url}/{SECRET}")
        monkeypatch.setenv("NIGHTLITE_NOTIFY_WEBHOOK_SECRET", SECRET)
        caplog.set_level(logging.INFO)
        monkeypatch.setenv("NIGHTLITE_NOTIFY_ON", "pushed,refused,nothing_new,failed,late")
        yield server


def outcome(dag: DAG, **more: object) -> tuple[str, dict[str, str]]:
    """Run it; its state and its tasks' states."""
    run = dag.test(**more)
    return str(run.state), {task.task_id: str(task.state) for task in run.get_task_instances()}


def told(hook: Hook) -> Notice:
    [(_, _, body)] = hook.posts
    return Notice.model_validate_json(body)


def test_a_push_is_told_with_its_release_and_no_secret_is_seen(dag_of, hook, caplog):
    dag = dag_of("shipped", {"Trainer": ("succeed", (), ""), "Pusher": ("push", ("Trainer",), "")})
    assert dag.get_task(NOTICE_TASK).upstream_task_ids == {"Trainer", "Pusher"}
    assert not [name for name in dag.get_task("Trainer")._environment() if "NOTIFY" in name]
    assert outcome(dag) == ("success", {"Trainer": "success", "Pusher": "success", NOTICE_TASK: "success"})
    notice = told(hook)
    assert (notice.event, notice.headline, notice.release) == ("pushed", "release 3", 3)
    assert notice.run_url.endswith(f"/dags/shipped/runs/{notice.run_id.replace(':', '%3A').replace('+', '%2B')}")
    log = caplog.text
    assert "webhook: notified of 'shipped pushed: release 3'" in log and SECRET not in log
    assert SECRET not in json.dumps(DagSerialization.to_dict(dag))


def test_every_failure_is_told_with_its_reason_though_others_still_ran(dag_of, hook):
    dag = dag_of(
        "broken",
        {
            "DataGate": ("fail", (), ""),
            "Killed": ("out of memory", (), ""),
            "Slow": ("hang", (), "'execution_timeout': timedelta(seconds=4)"),
            "After": ("succeed", ("DataGate",), ""),
        },
    )
    state, tasks = outcome(dag)
    assert (state, tasks[NOTICE_TASK], tasks["After"]) == ("failed", "success", "upstream_failed")
    notice = told(hook)
    assert (notice.event, notice.headline) == ("failed", "DataGate, Killed, Slow failed")
    gate, killed, slow = notice.reasons
    assert gate.text == "DataGate: ValueError: no label in features"
    assert gate.url == f"{notice.run_url}/tasks/DataGate"
    assert "Killed: Killed was killed (SIGKILL)" in killed.text
    assert "ran longer than its execution_timeout of 0:00:04" in slow.text


def test_a_push_in_a_run_that_failed_is_told_as_both(dag_of, hook):
    dag = dag_of("both", {"Pusher": ("push", (), ""), "ModelReport": ("crash", (), "")})
    assert outcome(dag)[0] == "failed"
    failed, pushed = (Notice.model_validate_json(body) for _, _, body in hook.posts)
    assert (failed.event, pushed.event, pushed.release) == ("failed", "pushed", 3)
    assert failed.reasons[0].text.endswith("ImportError: cannot import name run_fn")


def test_a_task_that_left_no_word_is_told_as_killed(dag_of, hook, monkeypatch):
    monkeypatch.setattr("nightlite.runner.in_airflow.operators.TfxNodeOperator._leave", lambda *_: None)
    assert outcome(dag_of("gone", {"A": ("fail", (), "")}))[0] == "failed"
    assert told(hook).reasons[0].text == "A: left no reason: it was killed, or its worker died"


@pytest.mark.parametrize(
    ("behave", "event", "said"),
    [
        ("skip", "refused", "Pusher: not blessed: accuracy 0.91 < 0.97"),
        ("nothing new", "nothing_new", "nothing new: release 3 is this very file already"),
    ],
)
def test_a_run_that_ships_nothing_says_why(dag_of, hook, behave, event, said):
    assert outcome(dag_of("kept", {"Pusher": (behave, (), "")}))[0] == "success"
    notice = told(hook)
    assert notice.event == event and said in (notice.headline, *(reason.text for reason in notice.reasons))


def test_a_variable_that_is_wrong_fails_its_own_task_and_is_named(dag_of, hook, monkeypatch, capsys):
    monkeypatch.setenv("NIGHTLITE_NOTIFY_URLS", SECRET)
    state, tasks = outcome(dag_of("misspelt", {"Pusher": ("push", (), "")}))
    assert (state, tasks) == ("success", {"Pusher": "success", NOTICE_TASK: "failed"})
    log = capsys.readouterr().out
    assert "no one was notified: NIGHTLITE_NOTIFY_URLS: expected addresses" in log and SECRET not in log
    assert hook.posts == []


def test_a_broken_webhook_fails_its_own_task_and_no_run(dag_of, hook, caplog):
    hook.status = 500
    state, tasks = outcome(dag_of("unheard", {"Pusher": ("push", (), "'retries': 2")}))
    assert (state, tasks) == ("success", {"Pusher": "success", NOTICE_TASK: "failed"})
    assert len(hook.posts) == 1  # it is no use to try at once again
    log = caplog.text
    assert "webhook: not notified of" in log and "Received: 500" in log and SECRET not in log


def test_what_no_one_asked_for_is_not_told(dag_of, hook, monkeypatch):
    monkeypatch.setenv("NIGHTLITE_NOTIFY_ON", "failed")
    assert outcome(dag_of("silent", {"Pusher": ("push", (), "")}))[1][NOTICE_TASK] == "success"
    assert hook.posts == []


def test_a_run_that_airflow_ends_at_its_timeout_is_told_and_no_other_failure_twice(hook):
    with DAG("timed", schedule=None, on_failure_callback=print) as dag:
        BaseOperator(task_id="A")
    end_with_notice(dag)
    assert dag.on_failure_callback == [print, tell_of_timeout] and dag.has_on_failure_callback
    context = {"dag": dag, "run_id": "r", "start": datetime.now(UTC)}
    tell_of_timeout(context | {"reason": "task_failure"})
    assert hook.posts == []
    tell_of_timeout(context | {"reason": "timed_out"})
    assert (told(hook).event, told(hook).run_id) == ("failed", "r")


def test_each_task_group_of_a_run_is_told_apart_by_the_id_of_its_tasks():
    results = {f"{group}.Pusher": node_result("Pusher", pushed=True, outcome="released") for group in "ab"}
    results["b.EdgeValidator"] = node_result("EdgeValidator", state="failed", reason="no disk")
    states = dict.fromkeys(results, "success") | {"b.EdgeValidator": "failed", "theirs": "failed"}
    with DAG("theirs", schedule=None):
        notices = NoticeOperator(task_id="Notice")._finished("r", states, results)
    told = [(notice.event, notice.headline, [reason.url for reason in notice.reasons]) for notice in notices]
    assert told == [
        ("pushed", "a: release None", []),
        ("failed", "b: b.EdgeValidator failed", ["/dags/theirs/runs/r/tasks/b.EdgeValidator"]),
        ("pushed", "b: release None", []),
        ("failed", "theirs failed", ["/dags/theirs/runs/r/tasks/theirs"]),
    ]


FAILING = """
from airflow.sdk import DAG, task
from nightlite.ondevice.in_airflow.notice.task import tell_of_failed_task

with DAG("failing", schedule=None, default_args={"on_failure_callback": tell_of_failed_task}) as dag:
    @task
    def upload():
        raise RuntimeError("the bucket\\nis full")

    upload()
"""


@pytest.mark.parametrize(("events", "count"), [("failed", 1), ("pushed", 0)])
def test_a_task_that_fails_outside_of_a_models_run_is_told_with_its_reason(
    airflow_home: Path,
    airflow_database: None,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
    events: str,
    count: int,
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("NIGHTLITE_NOTIFY_ON", events)
    file = airflow_home / "dags" / "failing.py"
    file.write_text(FAILING)
    assert outcome(DagBag(str(file)).dags["failing"]) == ("failed", {"upload": "failed"})
    assert len(hook.posts) == count
    if count:
        notice = told(hook)
        assert (notice.event, notice.headline) == ("failed", "upload failed")
        [reason] = notice.reasons
        assert reason.text == "the bucket is full" and str(reason.url).endswith("/tasks/upload")
