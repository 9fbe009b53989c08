"""Asks for a login where Airflow 3.3 asks for none, and has no setting against it: its version, what its APIs are."""

import re

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline_lib.airflow.request import known_user, route_path

# Starlette's routes are matched up to a $, which a line feed may follow.
_CLOSED = re.compile(
    r"(/api/v2/version|(/auth|/execution)?/(openapi\.json|redoc|changelog|docs(/oauth2-redirect)?))\n?", re.ASCII
)


class ClosedRoutes:
    """ASGI middleware: 401 for whoever Airflow does not know; for the others, all is as without it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _CLOSED.fullmatch(route_path(scope)) and not await known_user(Request(scope)):
            await JSONResponse({"detail": "Not authenticated"}, 401)(scope, receive, send)
            return
        await self.app(scope, receive, send)
