"""Requests that write to SQLite at once, in Airflow's own API application."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from nightlite.deployment.airflow_fixes.sqlite_writes import SqliteWrites
from tests.real_airflow import deployed_api_application, token

CLIENTS, IN_A_ROW = 4, 10


@pytest.fixture(scope="module")
def app(airflow_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    folder = tmp_path_factory.mktemp("dags")
    (folder / "busy.py").write_text(
        "from airflow.sdk import DAG, BaseOperator\n"
        "dag = DAG('busy', schedule=None)\nBaseOperator(task_id='a', dag=dag)\n"
    )
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(str(folder)), "dags-folder", None)
    with deployed_api_application() as application:
        yield application


def test_four_who_trigger_at_once_ten_times_get_forty_runs(app: ASGIApp) -> None:
    headers = {"Authorization": f"Bearer {token()}"}

    async def trigger(http: httpx.AsyncClient) -> list[httpx.Response]:
        form = {"logical_date": None, "conf": {}}
        return [await http.post("/api/v2/dags/busy/dagRuns", json=form, timeout=120) for _ in range(IN_A_ROW)]

    async def together() -> list[list[httpx.Response]]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow", headers=headers) as http:
            return await asyncio.gather(*(trigger(http) for _ in range(CLIENTS)))

    answers = [answer for row in asyncio.run(together()) for answer in row]
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({answer.json()["dag_run_id"] for answer in answers}) == CLIENTS * IN_A_ROW


def test_a_writer_waits_for_the_one_before_it_and_reading_waits_for_no_one() -> None:
    order: list[str] = []
    held = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        order.append(f"{scope['path']} in")
        if scope["path"] == "first":
            await held.wait()
        order.append(f"{scope['path']} out")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"7", "more_body": False}

    async def requests() -> None:
        guard = SqliteWrites(application)

        async def ask(path: str, method: str = "POST") -> None:
            await guard({"type": "http", "method": method, "path": path}, receive, None)  # type: ignore[arg-type]

        writers = [asyncio.create_task(ask(path)) for path in ("first", "second")]
        await asyncio.sleep(0)
        await ask("reader", "GET")
        held.set()
        await asyncio.gather(*writers)

    asyncio.run(requests())
    assert order == ["first in", "reader in", "reader out", "first out", "second in", "second out"]


def test_no_client_has_the_turn_while_it_sends_or_takes_its_time() -> None:
    """One stalls after more than a MiB of its body, one does not take its answer, one is gone: another is answered."""
    got: list[str] = []
    stalled, never = asyncio.Event(), asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
        got.append(f"{scope['path']} {message['type']}")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def requests() -> None:
        guard = SqliteWrites(application)

        async def ask(path: str, messages: list[dict[str, Any]], wait: asyncio.Event | None = None) -> list[Any]:
            answer: list[Any] = []

            async def receive() -> dict[str, Any]:
                if not messages:
                    stalled.set()
                    await never.wait()
                return messages.pop(0)

            async def send(message: Any) -> None:
                if wait:
                    got.append(f"{path} answered")
                    await wait.wait()
                answer.append(message)

            await guard({"type": "http", "method": "POST", "path": path}, receive, send)
            return answer

        part = {"type": "http.request", "body": b"x" * ((1 << 20) + 1), "more_body": True}
        whole = {"type": "http.request", "body": b"x", "more_body": False}
        slow = [asyncio.create_task(ask("stalling", [part])), asyncio.create_task(ask("deaf", [whole], wait=never))]
        await stalled.wait()
        await ask("gone", [part, {"type": "http.disconnect"}])
        assert [message["type"] for message in await ask("quick", [part, whole])] == [
            "http.response.start",
            "http.response.body",
        ]
        for task in slow:
            task.cancel()

    asyncio.run(asyncio.wait_for(requests(), 60))
    assert got == ["deaf http.request", "deaf answered", "gone http.disconnect", "quick http.request"]


def test_it_stands_before_sqlite_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.configuration import conf

    from nightlite.deployment.airflow_fixes.plugin import AirflowFixes

    def middlewares() -> list[str]:
        return [item["name"] for item in AirflowFixes().fastapi_root_middlewares]

    assert "SQLite writes" in middlewares()
    monkeypatch.setattr(conf, "get", lambda *_: "postgresql+psycopg2://airflow@postgres/airflow")
    assert "SQLite writes" not in middlewares()


def test_airflow_still_writes_its_audit_log_in_the_event_loop() -> None:
    import inspect

    from airflow.api_fastapi.logging.decorators import action_logging

    source = inspect.getsource(action_logging)
    assert "async def log_action" in source and "session.commit()" in source
