"""What the middlewares ask of a request: its path, its sender, its body."""

from typing import Any

from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import HTTPException, Request
from starlette.types import Message, Receive, Scope

# Methods that change nothing.
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def route_path(scope: Scope) -> str:
    """Return the path without the prefix that the server is mounted under."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


async def known_user(request: Request) -> Any:
    """Return the user whose token the request has, by header or cookie; None: Airflow knows no such user."""
    try:
        return await get_user(request, None, await bearer_scheme(request))
    except HTTPException:
        return None


async def read_whole(receive: Receive) -> Message:
    """Return the body to its end as one message, however small the pieces it came in. BodyLimit bounds it."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message  # the client is gone, which is the application's to find out
        body += message.get("body", b"")
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def read_again(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that gives the message that was read, and then the rest as it comes."""
    left = [message]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
