"""Receivers of notices in the tests: an SMTP server and an HTTP server on 127.0.0.1, well or broken."""

import contextlib
import email
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class Mailbox:
    """A mail server that wants a login; `mails` holds what came, `logins` whether each was right."""

    user: str
    password: str
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, how: str, login: LoginPassword) -> AuthResult:
        known = (login.login, login.password) == (self.user.encode(), self.password.encode())
        self.logins.append(known)
        return AuthResult(success=known, handled=False)


@contextlib.contextmanager
def mail_server(
    user: str = "mailer",
    password: str = "mail-password",
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Mailbox]:
    """Yield a mail server: in the clear, after STARTTLS only (`starttls`), or in TLS from the first byte (`tls`)."""
    box = Mailbox(user, password)
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=_free_port(),
        ssl_context=tls,
        authenticator=box.authenticate,
        auth_required=True,
        auth_require_tls=starttls is not None,
        tls_context=starttls,
        require_starttls=starttls is not None,
        ready_timeout=60,
    )
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Hook:
    """An HTTP server that answers every POST with `status`; `posts` holds (path, headers, body)."""

    status: int = 200
    url: str = ""
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextlib.contextmanager
def http_server(status: int = 200) -> Iterator[Hook]:
    hook = Hook(status)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(hook.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def statsd_server() -> Iterator[tuple[int, list[str]]]:
    """Yield a StatsD server's port and its metrics, read at once: a socket holds only some hundred."""
    metrics: list[str] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                metrics.extend(server.recv(65536).decode().splitlines())

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1]), metrics
        finally:
            ended.set()
            thread.join()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Yield a port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refusing_port() -> int:
    """Return a port on which no one listens."""
    return _free_port()
