"""Lets the API server's writing requests go one after the other, where Airflow's database is SQLite.

SQLite has one writer at a time. Airflow 3.3 writes its audit log from an `async` dependency
(`airflow/api_fastapi/logging/decorators.py`), which is to say in the event loop. While another request of the same
process is between its write and its commit, that waits for a lock whose holder waits for the event loop: nothing moves
until SQLite gives up, after five seconds, with "database is locked". Whoever had triggered the run was answered 500.
"""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline_lib.airflow.request_body import read_again, read_ahead

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OneWriter:
    """ASGI middleware: a request waits for the one before it, a reading one for none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READING:
            await self.app(scope, receive, send)
            return
        # First its body: nobody is to wait for a client that sends one slowly.
        messages = await read_ahead(receive)
        async with self._turn:
            await self.app(scope, read_again(messages, receive), send)
