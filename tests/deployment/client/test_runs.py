"""The output of `nightlite runs` and `status`, of an Airflow that answers from here."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.client import connection, runs, watch
from nightlite.deployment.client.access import Access
from nightlite.deployment.client.answers import DagRun, TaskInstance
from nightlite.deployment.client.run_list import list_runs
from nightlite.deployment.settings import Settings
from nightlite.errors import NoRunError, RefusedError, StackError, UsageError
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.run_summary import JUDGE_NODE
from nightlite.runner.node_result import NodeResult
from nightlite.runner.warm_start import WAITING
from tests.declared import declared_models
from tests.names import PUSHER
from tests.real_airflow import plain_console
from tests.results import node_result, with_facts

ASKED = TaskInstance(task_id="Approval", state="awaiting_input", start_date=None, duration=None, try_number=1)
REFUSED = node_result(PUSHER, "skipped", reason="not pushed: the model is not blessed", pushed=False, outcome="refused")


class Airflow:
    """Its runs by id, the newest first; each has one task."""

    def __init__(self) -> None:
        self.found: dict[str, DagRun] = {}
        self.results: dict[str, dict[str, NodeResult]] = {}
        self.tasks_of: dict[str, list[TaskInstance]] = {}
        self.owners: dict[str, tuple[str, ...]] = {}
        self.broken: str | None = None
        self.known = True
        self.waiting: datetime | None = None
        self.log: list[str] = []

    def __enter__(self) -> "Airflow":
        return self

    def __exit__(self, *_: object) -> None: ...

    def add(
        self, run_id: str, state: str, note: str | None = None, results: dict[str, NodeResult] | None = None
    ) -> None:
        self.found[run_id] = DagRun(dag_run_id=run_id, state=state, note=note)
        self.results[run_id] = results or {}

    def runs(self, dag_id: str, limit: int) -> list[DagRun]:
        if not self.known:
            raise RefusedError("Airflow refused GET dagRuns (404): Dag was not found")
        return list(self.found.values())[:limit]

    def run(self, dag_id: str, run_id: str) -> DagRun:
        if run_id not in self.found or dag_id not in self.dags_of(run_id):
            raise NoRunError(f"expected a run of {dag_id}. Received: {run_id}, and there is none")
        return self.found[run_id]

    def dags_of(self, run_id: str) -> tuple[str, ...]:
        return self.owners.get(run_id, ("mnist_tflite",))

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        finished = [
            ASKED.model_copy(update={"task_id": node_id, "state": "success"}) for node_id in self.results[run_id]
        ]
        return self.tasks_of.get(run_id, finished or [ASKED])

    def node_result(self, dag_id: str, run_id: str, task_id: str) -> NodeResult | None:
        return self.results[run_id].get(task_id)

    def lost_scheduler(self) -> None:
        return None

    def log_lines(self, dag_id: str, run_id: str, task: TaskInstance) -> list[str]:
        return self.log

    def waiting_event(self, dag_id: str) -> datetime | None:
        return self.waiting

    def import_error(self, dag_id: str) -> str | None:
        return self.broken

    def trigger(self, dag_id: str, conf: dict[str, Any], note: str | None) -> DagRun:
        raise RefusedError("Airflow refused POST /api/v2/dags/mnist_tflite/dagRuns (404): Dag was not found")


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    found = Airflow()
    monkeypatch.setattr(connection, "connect", lambda config: (Access(url="http://airflow"), found))
    monkeypatch.setattr(runs, "node_order", lambda *_: [])
    return found


def test_a_run_that_was_refused_or_failed_is_listed_with_its_gate_or_node(
    airflow: Airflow, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = NodeResult(
        node_id=JUDGE_NODE, run_id="r", state="succeeded", blessed=False, facts={"refusals": ["size [KiB]"]}
    )
    broken = NodeResult(node_id="DataGate", run_id="r", state="failed", reason="two anomalies")
    kept_back = with_facts(REFUSED, outcome=Outcome.older_data).model_copy(update={"reason": "older data: span 1"})
    # A person's note decides nothing, whatever it begins with.
    airflow.add("a", "success", "failed: I say", {PUSHER: REFUSED, JUDGE_NODE: gate})
    airflow.add("b", "failed", "refused: I say", {"DataGate": broken})
    airflow.add("c", "success", "released 7", {PUSHER: kept_back})
    airflow.tasks_of["b"] = [ASKED.model_copy(update={"task_id": "DataGate", "state": "failed"})]
    assert list_runs(Settings(), MODEL, 10) == 0
    said = capsys.readouterr().out
    [of_a, of_b, of_c] = [line for line in said.splitlines() if line[2:3] in "abc"]
    assert "refused: size [KiB]" in of_a and "failed: DataGate: two anomalies" in of_b and "older data: span 1" in of_c
    assert "I say" not in said and "released 7" not in said
    list_runs(Settings(), MODEL, 10, as_json=True)
    listed = [(run["run_id"], run["outcome"], run["pushed"]) for run in json.loads(capsys.readouterr().out)]
    assert listed == [
        ("a", "refused", REFUSED.reason),
        ("b", "failed", None),
        ("c", "older_data", "older data: span 1"),
    ]
    airflow.tasks_of.clear()
    assert [runs.status(Settings(), "mnist", run_id) for run_id in "abc"] == [3, 1, 3]


def test_a_long_reason_is_listed_to_its_end(airflow: Airflow, capsys: pytest.CaptureFixture[str]) -> None:
    reason = f"not pushed: {'very ' * 100}late"
    airflow.add("a", "success", None, {PUSHER: REFUSED.model_copy(update={"reason": reason})})
    list_runs(Settings(), MODEL, 10)
    said = capsys.readouterr().out
    assert said.count("very") == 100 and "late" in said and "…" not in said


def test_a_run_that_airflow_will_make_for_new_data_is_listed_as_queued(
    airflow: Airflow, capsys: pytest.CaptureFixture[str]
) -> None:
    airflow.add("a", "running")
    list_runs(Settings(), MODEL, 10)
    assert "queued" not in capsys.readouterr().out
    airflow.waiting = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    list_runs(Settings(), MODEL, 10)
    said = capsys.readouterr().out
    assert "queued" in said and "2026-06-01 12:30" in " ".join(said.split())
    assert said.index("queued") < said.index("running")
    list_runs(Settings(), MODEL, 10, as_json=True)
    assert [run["run_id"] for run in json.loads(capsys.readouterr().out)] == ["a"]


class Later(Airflow):
    """An Airflow in which each look at the run finds the next of these states of its task, with the end of its log."""

    def __init__(self, *states: tuple[str, str]) -> None:
        super().__init__()
        self.states = list(states)

    def run(self, dag_id: str, run_id: str) -> DagRun:
        state, end = self.states.pop(0)
        self.tasks_of["r"] = [ASKED.model_copy(update={"task_id": "First", "state": state})]
        self.results["r"] = {"First": node_result("First")} if state == "success" else {}
        self.log = ["argv", end]
        return DagRun(dag_run_id=run_id, state="running" if self.states else "success")


def test_a_first_node_that_waits_for_the_warm_server_says_so_until_it_no_longer_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0)
    monkeypatch.setattr(watch, "LOG_SECONDS", 0)
    states = [("queued", ""), ("running", WAITING), ("running", WAITING), ("running", "reads span-1")]
    console, text = plain_console()
    watch.RunView(Later(*states, ("success", WAITING)), "dag", "r").watch(console)
    assert text.getvalue().count(WAITING) == text.getvalue().count(f"First: {WAITING}\n") == 1

    airflow = Later(*states, ("success", WAITING))
    view, shown = watch.RunView(airflow, "dag", "r"), []
    while airflow.states:
        view.look()
        console, text = plain_console()
        console.print(view.table())
        shown.append(WAITING in text.getvalue())
    assert shown == [False, True, True, False, False]


def test_a_runs_id_alone_finds_its_model_and_no_id_asks_for_one(
    airflow: Airflow, capsys: pytest.CaptureFixture[str]
) -> None:
    airflow.owners = {"a": ("flowers_tflite",), "b": ("mnist_tflite",), "c": ("flowers_tflite", "mnist_tflite")}
    for run_id in airflow.owners:
        airflow.add(run_id, "running")
    with declared_models({"flowers": MODEL.model_copy(update={"name": "flowers"}), "mnist": MODEL}):
        for run_id, dag_id in (("a", "flowers_tflite"), ("b", "mnist_tflite")):
            assert runs.status(Settings(), None, run_id) == 0
            assert f"http://airflow/dags/{dag_id}/runs/{run_id}\n" in capsys.readouterr().out
        for run_id, said in (
            ("c", "because flowers, mnist have a run c"),
            ("d", "expected a run of one of flowers, mnist. Received: d"),
            (None, "expected --model NAME, because this deployment has 2 models"),
        ):
            with pytest.raises(UsageError, match=said):
                runs.status(Settings(), None, run_id)
        assert runs.status(Settings(), "flowers", "c") == 0
        assert "/dags/flowers_tflite/runs/c" in capsys.readouterr().out


def test_a_run_that_asks_someone_says_so_and_where(airflow: Airflow, capsys: pytest.CaptureFixture[str]) -> None:
    airflow.add("waits", "running")
    runs.status(Settings(), "mnist", None)
    said = capsys.readouterr().out
    assert "answer under 'Required actions'" in " ".join(said.split())
    assert "This run is running: http://airflow/dags/mnist_tflite/runs/waits\n" in said


def test_a_dag_that_cannot_be_imported_is_why_a_trigger_is_refused(airflow: Airflow) -> None:
    with pytest.raises(StackError, match=r"\(404\): Dag was not found"):
        runs.trigger(Settings(), MODEL, {})
    airflow.broken = "mnist.py: schedule: expected a cron expression"
    airflow.known = False
    for ask in (
        lambda: runs.trigger(Settings(), MODEL, {}),
        lambda: runs.status(Settings(), "mnist", None),
        lambda: list_runs(Settings(), MODEL, 10),
    ):
        with pytest.raises(StackError, match="cannot be imported.* Received: mnist.py: schedule: "):
            ask()


def test_the_status_of_a_run_tells_that_its_dag_cannot_be_imported_now(
    airflow: Airflow, capsys: pytest.CaptureFixture[str]
) -> None:
    airflow.add("a", "success", results={PUSHER: REFUSED})
    airflow.broken = "mnist.py: schedule: expected a cron expression"
    runs.status(Settings(), "mnist", None, as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["run_id"] == "a" and airflow.broken in err
