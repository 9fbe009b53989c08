"""Let the API server's writing requests run one after the other, where Airflow's database is SQLite.

SQLite has one writer at a time. Airflow 3.3 writes its audit log from an `async` dependency
(`airflow/api_fastapi/logging/decorators.py`), and so in the event loop. Between another request's write and its
commit, the loop waits for a lock whose holder waits for the loop. After five seconds SQLite gives up with
"database is locked", and the request is answered 500.

The lock is taken after the whole body is read and released before the answer is sent. A slow client blocks no one.
BodyLimit, which stands before this, bounds the body.

Upstream: apache/airflow#66726 (mended to 503 for backfills) and apache/airflow#68699 (open). For Airflow 3.3.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightlite.deployment.airflow_fixes.request import READING, read_again, read_whole


class SqliteWrites:
    """ASGI middleware in which a writing request waits for the one before it. Reading requests never wait."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in READING:
            await self.app(scope, receive, send)
            return
        message = await read_whole(receive)
        answer: list[Message] = []

        async def keep(part: Message) -> None:
            answer.append(part)

        async with self._turn:
            await self.app(scope, read_again(message, receive), keep)
        for part in answer:
            await send(part)
