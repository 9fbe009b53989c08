"""Bodies of requests: how many bytes are taken before the answer is 413, in Airflow's own API application too."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import ASGIApp

from pipeline_lib.airflow.body_limit import ANYONE_BYTES, TASK_BYTES, USER_BYTES, BodyLimit
from pipeline_lib.airflow.one_writer import OneWriter
from tests.airflow.stack_fixtures import api_application

PART = 1 << 16


@pytest.fixture(scope="module")
def app(airflow_database: None) -> Iterator[ASGIApp]:
    with api_application("all") as application:
        yield application


def sent(app: ASGIApp, path: str, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, str, int]:
    """Send a body without an end and without a length; return the status, the answer, and the bytes that were taken."""
    taken = 0
    answer: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += PART
        assert taken <= TASK_BYTES + PART, "it is read for ever"
        return {"type": "http.request", "body": b"x" * PART, "more_body": True}

    async def send(message: Any) -> None:
        answer.append(message)

    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http"},
        **{"path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "client": ("127.0.0.1", 1)},
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "server": ("airflow", 80),
        "state": {},
    }
    asyncio.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in answer)
    return answer[0]["status"], body.decode(), taken


def token(audience: str, subject: str) -> dict[str, str]:
    from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args

    generator = JWTGenerator(**get_signing_args(), valid_for=600, audience=audience)
    return {"Authorization": f"Bearer {generator.generate({'sub': subject, 'role': 'admin'})}"}


PATHS = (
    *("/auth/token", "/auth/token/cli", "/api/v2/dags/a/dagRuns", "/api/v2/backfills", "/api/v2/variables"),
    *("/api/v2/dags/a/dagRuns/b/taskInstances/c/xcomEntries", "/execution/xcoms/a/b/c/d"),
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Cookie": "_token=x"}], ids=str)
def test_without_a_login_a_quarter_of_a_mib_is_read(app: ASGIApp, path: str, headers: dict[str, str]) -> None:
    status, body, taken = sent(
        app, path, headers | {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    )
    assert (status, taken) == (413, ANYONE_BYTES + PART)
    assert json.loads(body) == {"detail": "expected a body of at most 256 KiB without a login. Received: a longer one"}


def test_with_a_login_a_mib_is_read_and_of_a_tasks_own_64(app: ASGIApp) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.sdk.configuration import conf

    person = token(get_auth_manager()._get_jwt_audience(), "admin")
    task = token(conf.get("execution_api", "jwt_audience").split(",")[0], "00000000-0000-0000-0000-000000000000")
    for path in PATHS:
        tasks = path.startswith("/execution/")
        assert sent(app, path, person)[::2] == (413, (ANYONE_BYTES if tasks else USER_BYTES) + PART), path
        assert sent(app, path, task)[::2] == (413, (TASK_BYTES if tasks else ANYONE_BYTES) + PART), path


def test_on_every_route_a_body_is_bounded_or_not_read(app: ASGIApp) -> None:
    from tests.faults.airflow.test_open_routes import routes

    for method, path in sorted(set(routes(app))):
        assert sent(app, re.sub(r"\{[^}]*\}", "1", path), method=method)[2] <= ANYONE_BYTES + PART, (method, path)


def test_an_application_that_reads_on_is_told_that_the_client_is_gone() -> None:
    got = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (message := await received(receive)) != "http.disconnect":
            got.append(message)
        await send({"type": "http.response.start", "status": 400, "headers": []})

    async def received(receive: Any) -> str:
        try:
            return str((await receive())["type"])
        except Exception as error:
            return str(error)

    assert sent(BodyLimit(application), "/")[::2] == (400, ANYONE_BYTES + PART)
    assert got[-1].startswith("413") and got[:-1] == ["http.request"] * (ANYONE_BYTES // PART)


def test_the_order_of_writers_holds_no_more_than_the_bound() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was handed on")

    assert sent(BodyLimit(OneWriter(application)), "/")[::2] == (413, ANYONE_BYTES + PART)
