"""The REST client against a server that breaks connections or answers oddly."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from nightlite.deployment.client.access import Access
from nightlite.deployment.client.rest import AirflowRest
from nightlite.errors import RunRefusedError, StackError

ACCESS = Access(url="http://airflow", user="operator", password=SecretStr("secret"))
WITH_TOKEN = Access(url="http://airflow", token=SecretStr("x"))
Server = Callable[[httpx.Request], httpx.Response]
RUN = {"dag_run_id": "a", "state": "queued"}


def connected(server: Server, access: Access = WITH_TOKEN) -> AirflowRest:
    return AirflowRest(access, httpx.MockTransport(server))


class BrokenOnce:
    """A server that breaks the first connection, then answers with a run."""

    def __init__(self, error: type[httpx.TransportError]) -> None:
        self.error, self.received = error, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.received += 1
        if self.received == 1:
            raise self.error("broken")
        return httpx.Response(200, json=RUN)


def test_tries_again_where_that_cannot_do_harm() -> None:
    assert connected(BrokenOnce(httpx.ReadTimeout)).run("dag", "a").dag_run_id == "a"
    assert connected(BrokenOnce(httpx.ConnectError)).trigger("dag").dag_run_id == "a"


def test_a_trigger_that_may_have_been_received_is_not_sent_twice() -> None:
    server = BrokenOnce(httpx.ReadTimeout)
    with pytest.raises(StackError, match="expected Airflow to answer at http://airflow"):
        connected(server).trigger("dag")
    assert server.received == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            httpx.Response(422, json={"detail": [{"loc": ["body", "conf"], "msg": "not a dict"}]}),
            "body.conf: not a dict",
        ),
        (httpx.Response(400, json={"detail": "Invalid input\n\nschema"}), r"Invalid input$"),
        (httpx.Response(502, text="<html>bad gateway"), "bad gateway"),
    ],
)
def test_says_what_the_server_said(answer: httpx.Response, said: str) -> None:
    with pytest.raises(StackError, match=said):
        connected(lambda _: answer).trigger("dag")


@pytest.mark.parametrize(
    ("health", "said"),
    [
        ({"status": "healthy", "latest_scheduler_heartbeat": "2026-01-01T00:00:00Z"}, None),
        (
            {"status": "unhealthy", "latest_scheduler_heartbeat": "2026-01-01T00:00:00Z"},
            "heard of: 2026-01-01T00:00:00Z",
        ),
        ({"status": "unhealthy", "latest_scheduler_heartbeat": None}, "heard of: never. No task starts"),
    ],
)
def test_a_scheduler_that_is_gone_is_told(health: dict[str, str | None], said: str | None) -> None:
    why = connected(lambda _: httpx.Response(200, json={"scheduler": health})).lost_scheduler()
    assert (said in why) if said and why else why is said


def test_a_run_that_there_is_not_is_told_with_where_to_look() -> None:
    client = connected(lambda _: httpx.Response(404, json={"detail": "The DagRun was not found"}))
    with pytest.raises(StackError, match="Received: monday, and there is none; 'nightlite runs --model tulips' lists"):
        client.run("tulips_tflite", "monday")


def import_errors(**found: str) -> httpx.Response:
    errors = [
        {"filename": f"{name}.py", "stack_trace": f"Traceback\n\n{why}\n", "timestamp": "2026-01-01T00:00:00Z"}
        for name, why in found.items()
    ]
    return httpx.Response(200, json={"import_errors": errors})


NO_DAG = httpx.Response(404, json={"detail": "The Dag with ID: `ours` was not found"})


def dag(broken: bool) -> httpx.Response:
    facts = {"dag_id": "ours", "is_paused": False, "has_import_errors": broken, "last_parsed_time": None}
    facts |= {"timetable_summary": None, "file_token": "t", "relative_fileloc": "nightly.py"}
    return httpx.Response(200, json=facts)


@pytest.mark.parametrize(
    ("found", "errors", "said"),
    [
        (NO_DAG, import_errors(other="x", ours="schedule: expected"), "ours.py: schedule: expected"),
        (NO_DAG, import_errors(other="NameError: x", third="y"), "other.py: NameError: x; third.py: y"),
        (NO_DAG, import_errors(), None),
        (NO_DAG, httpx.Response(403, json={"detail": "Forbidden"}), None),
        (dag(broken=True), import_errors(other="x", nightly="no such file"), "nightly.py: no such file"),
        (dag(broken=False), import_errors(nightly="that was before"), None),
    ],
)
def test_the_import_error_of_a_dag_is_its_own_files(
    found: httpx.Response, errors: httpx.Response, said: str | None
) -> None:
    client = connected(lambda request: errors if request.url.path.endswith("/importErrors") else found)
    assert client.import_error("ours") == said
    assert client.import_error("ours", since=datetime(2026, 1, 2, tzinfo=UTC)) is None


class Airflow:
    """The client's side of an Airflow: tokens that stop to be good, and runs with ids that are taken once."""

    def __init__(self) -> None:
        self.tokens = 0
        self.good: set[str] = set()
        self.runs: dict[str, dict[str, object]] = {}
        self.break_after_next_post = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        form = json.loads(request.content or b"null")
        if request.url.path == "/auth/token":
            if form["password"] != "secret":
                return httpx.Response(401, json={"detail": "Invalid credentials"})
            self.tokens += 1
            self.good.add(f"token-{self.tokens}")
            return httpx.Response(201, json={"access_token": f"token-{self.tokens}"})
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.good:
            return httpx.Response(401, json={"detail": "Token Expired"})
        if request.method == "GET":
            return httpx.Response(200, json=self.runs[request.url.path.rpartition("/")[2]])
        run_id = form["dag_run_id"]
        if run_id in self.runs:
            return httpx.Response(409, json={"detail": "there is one"})
        self.runs[run_id] = {"dag_run_id": run_id, "state": "queued", "conf": form["conf"]}
        if self.break_after_next_post:
            self.break_after_next_post = False
            raise httpx.ReadTimeout("broken")
        return httpx.Response(200, json=self.runs[run_id])


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


def test_a_token_is_fetched_once_and_again_when_it_has_expired(airflow: Airflow) -> None:
    client = connected(airflow, ACCESS)
    client.trigger_once("dag", "a", {})
    client.run("dag", "a")
    assert airflow.tokens == 1
    airflow.good.clear()
    assert client.run("dag", "a").state == "queued"
    assert airflow.tokens == 2


def test_a_token_that_was_given_and_a_wrong_password_are_refused_with_what_the_server_said(airflow: Airflow) -> None:
    with pytest.raises(StackError, match=r"\(401\): Token Expired"):
        connected(airflow).run("dag", "a")
    wrong = ACCESS.model_copy(update={"password": SecretStr("wrong")})
    with pytest.raises(StackError, match=r"refused to log 'operator' in \(401\): Invalid credentials"):
        connected(airflow, wrong).run("dag", "a")


def test_a_run_id_is_one_run_however_often_it_is_triggered(airflow: Airflow) -> None:
    client = connected(airflow, ACCESS)
    airflow.break_after_next_post = True
    assert client.trigger_once("dag", "a", {"epochs": 3}).conf == {"epochs": 3}
    assert client.trigger_once("dag", "a", {"epochs": 3}).dag_run_id == "a"
    with pytest.raises(RunRefusedError, match="run a is there already: expected its parameters .*'epochs': 3"):
        client.trigger_once("dag", "a", {"epochs": 4})
    assert list(airflow.runs) == ["a"]
