"""Keep other sites' pages from acting with a person's login, in that person's browser.

A browser sends cookies with other pages' requests. Another port of the same host counts as the same site, so
`SameSite` alone does not help. Programs send their token in a header, which no other site's page can.

Upstream: none filed; Airflow takes a cookie for a login since apache/airflow#56633. For Airflow 3.3.
"""

import json
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_cookie_path
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.sdk.configuration import conf
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightlite.deployment.airflow_fixes.request import READING, route_path

# Airflow's token, and the session of FAB's own pages.
_LOGINS = frozenset({COOKIE_NAME_JWT_TOKEN, "session"})
# Airflow itself embeds pages, such as our report.
_POLICY = "frame-ancestors 'self'"


class SameOrigin:
    """ASGI middleware that answers 403 to another origin's changes by cookie, and forbids it to embed pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", _POLICY)
            await send(message)

        if refusal := _refusal(request):
            await JSONResponse({"detail": refusal}, 403)(scope, receive, with_policy)
            return
        await self.app(scope, receive, _with_login(request, with_policy) if _logs_in(request) else with_policy)


def _refusal(request: Request) -> str | None:
    """Return the reason if a request with a login cookie is refused, else None."""
    if request.method in READING or not _LOGINS & request.cookies.keys():
        return None
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if (scheme.lower() == "bearer" and token) or _is_own(request):
        return None
    told = {name: request.headers[name] for name in ("origin", "sec-fetch-site") if name in request.headers}
    return (
        "expected a cookie only from this server's own pages, as Origin or Sec-Fetch-Site say. "
        f"Received: {', '.join(f'{name}: {value[:200]}' for name, value in told.items()) or 'neither'}. "
        "A program sends its token as 'Authorization: Bearer ...'"
    )


def _is_own(request: Request) -> bool:
    """Return whether a page of this server, or of an origin in Airflow's CORS settings, sent the request."""
    origin, site = request.headers.get("origin", ""), request.headers.get("sec-fetch-site")
    if site == "same-origin" or origin in conf.getlist("api", "access_control_allow_origins"):
        return True
    # Without TLS, browsers send Sec-Fetch-Site only to loopback. A proxy may forward Host.
    hosts = [request.headers.get("host", ""), *request.headers.get("x-forwarded-host", "").split(",")]
    hosts.append(urlsplit(conf.get("api", "base_url", fallback="")).netloc)
    host = origin.partition("://")[2].lower()
    return site is None and bool(host) and host in {each.strip().lower() for each in hosts}


def _logs_in(request: Request) -> bool:
    """Return whether the page of Airflow's SimpleAuthManager asks for a token. FAB sets its cookies itself."""
    path = route_path(request.scope)
    return (request.method, path, request.headers.get("sec-fetch-site")) == ("POST", "/auth/token", "same-origin")


def _with_login(request: Request, send: Send) -> Send:
    """Return a `send` that sets the cookie, HttpOnly, before the page's script does. The script cannot replace it."""
    started: list[Message] = []

    async def with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 201:
            started.append(message)
            return
        if started:
            start = started.pop()
            answer = Response()
            answer.set_cookie(
                COOKIE_NAME_JWT_TOKEN,
                json.loads(message["body"])["access_token"],
                path=get_cookie_path(),
                secure=request.url.scheme == "https",
                httponly=True,
                samesite="lax",
            )
            MutableHeaders(scope=start).append("set-cookie", answer.headers["set-cookie"])
            await send(start)
        await send(message)

    return with_cookie
