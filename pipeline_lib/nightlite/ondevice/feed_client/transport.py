"""Requests of a feed's client: no redirect, never more bytes than wanted, no waiting forever."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from nightlite.errors import FeedError

_TIMEOUT_SECONDS = 15
# Content that a server compresses nevertheless fails its check, and never grows beyond what was received.
_HEADERS = {"Accept-Encoding": "identity"}


@dataclass
class Transport:
    """A connection to a feed's server. `received` counts the bytes of all contents."""

    client: httpx.Client
    received: int = field(default=0, init=False)

    def get(self, url: str, limit: int, *, etag: str = "", past_caches: bool = False) -> "Answer | None":
        """Return an answer, or None if there is nothing new since `etag`.

        Raises:
          FeedError: no connection, another answer than status 200, or more bytes than `limit`.
        """
        headers = _HEADERS | ({"If-None-Match": etag} if etag else {})
        headers |= {"Cache-Control": "no-cache"} if past_caches else {}
        try:
            with self.client.stream("GET", url, headers=headers) as response:
                if response.status_code == httpx.codes.NOT_MODIFIED and etag:
                    return None
                _require_ok(response, url)
                return Answer(self._content(response, url, limit), response.headers.get("ETag", ""))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FeedError(
                f"{url}: expected an answer. Received: {error or type(error).__name__}; try again later"
            ) from None

    def _content(self, response: httpx.Response, url: str, limit: int) -> bytes:
        content = bytearray()
        for chunk in response.iter_raw():
            self.received += len(chunk)
            content += chunk
            if len(content) > limit:
                raise FeedError(f"{url}: expected at most {limit:,} bytes. Received: more; try again later")
        return bytes(content)


@dataclass(frozen=True)
class Answer:
    """A content, and its ETag, or "" if it has none."""

    content: bytes
    etag: str


@contextmanager
def connected() -> Iterator[Transport]:
    """Yield a connection for the length of the block."""
    with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client:
        yield Transport(client)


def _require_ok(response: httpx.Response, url: str) -> None:
    if response.status_code != httpx.codes.OK:
        to = response.headers.get("Location")
        where = f" to {to}, which may be a network's log-in page" if to else ""
        raise FeedError(f"{url}: expected status 200. Received: {response.status_code}{where}; try again later")
