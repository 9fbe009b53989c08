"""Lets the API server's writing requests go one after the other, where Airflow's database is SQLite.

SQLite has one writer at a time. Airflow 3.3 writes its audit log from an `async` dependency
(`airflow/api_fastapi/logging/decorators.py`), which is to say in the event loop. While another request of the same
process is between its write and its commit, that waits for a lock whose holder waits for the event loop: nothing moves
until SQLite gives up, after five seconds, with "database is locked". Whoever had triggered the run was answered 500.

Nobody has the turn while a client does: it begins when the whole body is there, and ends before the answer is sent.
FastAPI reads a body into memory before it asks who sent it. So does this, up to a bound: a file for the longer ones
would be read into memory all the same, and let whoever has no login fill the disk.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline_lib.airflow.request_body import read_again, read_whole, too_long

# Of Airflow's own requests an XCom may be long: ours are of kilobytes, and Airflow advises against more.
MOST_BYTES = 64 << 20

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
        message = await read_whole(receive, MOST_BYTES)
        if message is None:
            await too_long(MOST_BYTES)(scope, receive, send)
            return
        answer: list[Message] = []

        async def keep(part: Message) -> None:
            answer.append(part)

        async with self._turn:
            await self.app(scope, read_again(message, receive), keep)
        for part in answer:
            await send(part)
