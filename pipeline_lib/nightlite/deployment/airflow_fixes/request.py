"""Facts of a request for the middlewares: its path, its sender, its body."""

from typing import Any

from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import HTTPException, Request
from starlette.types import Message, Receive, Scope

# Methods that change nothing.
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def route_path(scope: Scope) -> str:
    """Return the path without the prefix of the server's mount."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


async def known_user(request: Request) -> Any:
    """Return the user of the request's token, from header or cookie, or None if Airflow knows no such user."""
    try:
        return await get_user(request, None, await bearer_scheme(request))
    except HTTPException:
        return None


async def read_whole(receive: Receive) -> Message:
    """Return the whole body as one message, however small its pieces. BodyLimit bounds it."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message  # the client is gone, which the application will notice
        body += message.get("body", b"")
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def read_again(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that gives the message that was read, and then the rest."""
    left = [message]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
