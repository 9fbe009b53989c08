"""Bodies of requests: how many bytes are taken before the answer is 413, in Airflow's own API application too."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from nightlite.deployment.airflow_fixes.body_limit import REQUEST_BYTES, TASK_BYTES, BodyLimit
from nightlite.deployment.airflow_fixes.sqlite_writes import SqliteWrites
from tests.real_airflow import api_application, deployed_api_application

PART = 1 << 16


@pytest.fixture(scope="module")
def app(airflow_database: None) -> Iterator[ASGIApp]:
    with deployed_api_application("all") as application:
        yield application


def sent(app: ASGIApp, path: str) -> tuple[int, str, int]:
    """Send a body without an end and without a length; return the status, the answer, and the bytes that were taken."""
    taken = 0
    answer: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += PART
        assert taken <= TASK_BYTES + PART, "it is read forever"
        return {"type": "http.request", "body": b"x" * PART, "more_body": True}

    async def send(message: Any) -> None:
        answer.append(message)

    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"},
        **{"path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "client": ("127.0.0.1", 1)},
        "headers": [(b"content-type", b"application/json"), (b"sec-fetch-site", b"same-origin")],
        "server": ("airflow", 80),
        "state": {},
    }
    asyncio.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in answer)
    return answer[0]["status"], body.decode(), taken


PATHS = (
    *("/auth/token", "/auth/token/cli", "/api/v2/dags/a/dagRuns", "/api/v2/backfills", "/api/v2/variables"),
    *("/api/v2/dags/a/dagRuns/b/taskInstances/c/xcomEntries", "/execution/xcoms/a/b/c/d"),
)


@pytest.mark.parametrize("path", PATHS)
def test_a_mib_is_read_and_of_a_tasks_own_64(app: ASGIApp, path: str) -> None:
    bound = TASK_BYTES if path.startswith("/execution/") else REQUEST_BYTES
    status, body, taken = sent(app, path)
    assert (status, taken) == (413, bound + PART)
    assert json.loads(body) == {"detail": f"expected a body of at most {bound >> 10} KiB. Received: a longer one"}


def test_the_order_of_writers_holds_no_more_than_the_bound() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was handed on")

    assert sent(BodyLimit(SqliteWrites(application)), "/")[::2] == (413, REQUEST_BYTES + PART)


def test_airflow_still_reads_a_body_of_any_length_before_it_asks_who_sent_it(airflow_database: None) -> None:
    with api_application() as application:
        name = "x" * 2 * REQUEST_BYTES
        answer = TestClient(application).post("/auth/token", json={"username": name, "password": "x"})
    assert answer.status_code == 401
