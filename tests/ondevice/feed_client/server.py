"""A web server of a feed on 127.0.0.1, good or bad: a path may have an answer of its own."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass
class Served:
    """A served folder.

    Attributes:
      answers: by path, such as `/stable/latest.json`; all others are the folder's files.
      asked: path and status of every request.
    """

    folder: Path
    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as nginx does: with an ETag, and 304 if the client has it."""

    def __init__(self, served: Served, *arguments: Any) -> None:
        self.served = served
        super().__init__(*arguments)

    def do_GET(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that has read enough
            self.served.answers.get(self.path, Handler.file)(self)

    def file(self) -> None:
        path = self.served.folder / self.path.lstrip("/")
        if not path.is_file():
            return self.say(404, b"no such file")
        content = path.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if self.headers["If-None-Match"] == etag:
            return self.say(304, b"")
        return self.say(200, content, ETag=etag)

    def say(self, status: int, content: bytes, **headers: str) -> None:
        self.begin(status, **{"Content-Length": str(len(content)), **headers})
        self.wfile.write(content)

    def begin(self, status: int, **headers: str) -> None:
        self.served.asked.append((self.path, status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve a folder for the length of the block."""
    state = Served(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, state))
    state.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def content(content: bytes, status: int = 200, **headers: str) -> Answer:
    """Return an answer of this content."""
    return lambda handler: handler.say(status, content, **headers)


def cut(content: bytes) -> Answer:
    """Return an answer that ends halfway, after it promised the whole."""

    def answer(handler: Handler) -> None:
        handler.begin(200, **{"Content-Length": str(len(content))})
        handler.wfile.write(content[: len(content) // 2])

    return answer


def endless(handler: Handler) -> None:
    """Send until the client closes the connection."""
    handler.begin(200)
    while True:
        handler.wfile.write(b" " * 65_536)


def not_modified(handler: Handler) -> None:
    handler.begin(304)
