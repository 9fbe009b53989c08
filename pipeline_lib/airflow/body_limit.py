"""Bounds the body of every request, so that no client fills the API server's memory.

FastAPI and Flask read a body into memory before they ask who sent it. The bytes are counted as the application reads
them, because a chunked body names no length. The sender is looked up only for a body that needs a wider bound.
"""

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline_lib.airflow.request import is_task, known_user, route_path

# A form or a token request takes a few KiB; a thousand clients without a login hold a quarter of a GiB.
ANYONE_BYTES = 1 << 18
# All parameters of a run take a few KiB.
USER_BYTES = 1 << 20
# XComs and rendered templates of any DAG's tasks. Ours are of kilobytes, and Airflow advises against more.
TASK_BYTES = 64 << 20


class TooLong(HTTPException):
    """The refusal of a body. FastAPI lets an HTTPException through where it reads the body."""

    def __init__(self, bound: int) -> None:
        detail = f"expected a body of at most {bound >> 10} KiB. Received: a longer one"
        if bound == ANYONE_BYTES:
            detail = detail.replace(".", " without a login.", 1)
        super().__init__(413, detail, {"Connection": "close"})


class BodyLimit:
    """ASGI middleware: 413 for a body that is longer than its sender may send."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bound, read, refused = ANYONE_BYTES, 0, False

        async def counted() -> Message:
            nonlocal bound, read, refused
            if refused:
                return {"type": "http.disconnect"}
            message = await receive()
            read += len(message.get("body", b""))
            if read > bound:
                bound = await _bound_of_sender(Request(scope))
                refused = read > bound
            if refused:
                raise TooLong(bound)
            return message

        try:
            await self.app(scope, counted, send)
        except TooLong as error:
            await JSONResponse({"detail": error.detail}, error.status_code, error.headers)(scope, receive, send)


async def _bound_of_sender(request: Request) -> int:
    if route_path(request.scope).startswith("/execution/"):
        return TASK_BYTES if await is_task(request) else ANYONE_BYTES
    return USER_BYTES if await known_user(request) else ANYONE_BYTES
