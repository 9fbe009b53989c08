"""Bound the body of every request, so that no client fills the API server's memory.

FastAPI and Flask read a body into memory before they ask who sent it. The bytes are counted as the application reads
them, because a chunked body names no length.

Upstream: none filed; Airflow leaves it to a proxy (apache/airflow#51732). For Airflow 3.3.
"""

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightlite.deployment.airflow_fixes.request import route_path

# All parameters of a run take a few KiB.
REQUEST_BYTES = 1 << 20
# XComs and rendered templates of any DAG's tasks. Ours are of kilobytes.
TASK_BYTES = 64 << 20


class TooLong(HTTPException):
    """The refusal of a body. FastAPI passes an HTTPException on where it reads the body."""

    def __init__(self, bound: int) -> None:
        detail = f"expected a body of at most {bound >> 10} KiB. Received: a longer one"
        super().__init__(413, detail, {"Connection": "close"})


class BodyLimit:
    """ASGI middleware that answers 413 to a body longer than its route takes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bound, read = TASK_BYTES if route_path(scope).startswith("/execution/") else REQUEST_BYTES, 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > bound:
                raise TooLong(bound)
            return message

        try:
            await self.app(scope, counted, send)
        except TooLong as error:
            await JSONResponse({"detail": error.detail}, error.status_code, error.headers)(scope, receive, send)
