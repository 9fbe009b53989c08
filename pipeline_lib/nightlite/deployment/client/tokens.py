"""Airflow's tokens and refusals."""

from collections.abc import Generator

import httpx
from pydantic import SecretStr

from nightlite.deployment.client.access import Access
from nightlite.errors import StackError


class RestToken(httpx.Auth):
    """Authentication that fetches a token when there is none, and once again when it has expired."""

    requires_response_body = True

    def __init__(self, access: Access) -> None:
        self._access = access
        self._token = access.token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is None:
            self._token = self._read((yield self._ask()))
        answer = yield self._signed(request, self._token)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._access.token is None:
            self._token = self._read((yield self._ask()))
            yield self._signed(request, self._token)

    def _ask(self) -> httpx.Request:
        form = {"username": self._access.user, "password": self._access.password.get_secret_value()}
        return httpx.Request("POST", f"{self._access.url}/auth/token", json=form)

    def _read(self, answer: httpx.Response) -> SecretStr:
        if not answer.is_success:
            raise StackError(
                f"Airflow at {self._access.url} refused to log {self._access.user!r} in "
                f"({answer.status_code}): {said(answer)}"
            )
        return SecretStr(answer.json()["access_token"])

    def _signed(self, request: httpx.Request, token: SecretStr) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        return request


def said(answer: httpx.Response) -> str:
    """Return the server's error message. FastAPI's `detail` is a text or a list of invalid fields."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300] or answer.reason_phrase
    if isinstance(detail, list):
        return "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in detail)
    # A refused parameter's first line is the sentence. Its schema follows.
    return str(detail).partition("\n")[0]
