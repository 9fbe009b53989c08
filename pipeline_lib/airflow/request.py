"""Tells our middlewares of a request: its path, its sender, its body."""

from functools import cache
from typing import Any

from airflow.api_fastapi.auth.tokens import JWTValidator, get_sig_validation_args
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.sdk.configuration import conf
from fastapi import HTTPException, Request
from jwt import InvalidTokenError
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


async def is_task(request: Request) -> bool:
    """Tell whether the request has a token that Airflow gave to a task."""
    given = await bearer_scheme(request)
    if given is None:
        return False
    try:
        await _of_tasks().avalidated_claims(given.credentials)
    except InvalidTokenError:
        return False
    return True


@cache
def _of_tasks() -> JWTValidator:
    """Return the check that `airflow/api_fastapi/execution_api/app.py` makes for itself."""
    return JWTValidator(
        required_claims=frozenset({"aud", "exp", "iat"}),
        audience=conf.getlist("execution_api", "jwt_audience"),
        **get_sig_validation_args(make_secret_key_if_needed=False),
    )


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
