"""A warm server in this process: its answers to clients, and when it no longer takes any."""

import json
import os
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorflow.python.eager import context as eager_context

from nightlite.runner.in_tfx.warm import client, forking, identity
from nightlite.runner.in_tfx.warm import lock as warm_lock
from nightlite.runner.in_tfx.warm import session as warm_session
from nightlite.runner.in_tfx.warm.server import Server
from nightlite.runner.in_tfx.warm.session import Session
from nightlite.runner.warm_start import WAITING

GOOD = {"pipeline": "/none.json", "argv": ["--help"], "env": {}, "cwd": "/", "path": [], "grace": None}
EAGER_CONTEXT_TOUCHED = forking.eager_context_touched


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kind-version.sock"


@pytest.fixture
def server(path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return one that listens, is never looped, and cannot fork."""

    def no_memory() -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(identity, "version", lambda: "version")
    monkeypatch.setattr(forking, "eager_context_touched", lambda: False)  # by other tests of this process
    monkeypatch.setattr(forking.os, "fork", no_memory)
    server = Server(path, idle_seconds=900, culprit=None)
    server.listen()
    return server


def answer(server: Server, line: bytes) -> dict[str, object]:
    ours, theirs = socket.socketpair()
    files = [os.open(os.devnull, os.O_WRONLY) for _ in range(2)]
    server.start(Session(theirs, line + b"\n", files))
    said: dict[str, object] = {}
    with ours, ours.makefile() as lines:
        for text in lines:
            said |= json.loads(text)
    return said


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"no JSON",
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="nested 200,000 deep"),
        json.dumps({key: value for key, value in GOOD.items() if key != "cwd"}).encode(),
    ],
)
def test_what_is_no_request_is_answered_with_an_error(server: Server, line: bytes) -> None:
    assert "expected a request" in str(answer(server, line)["error"])


def test_a_server_that_cannot_fork_says_so_and_lives(server: Server) -> None:
    assert "Cannot allocate memory" in str(answer(server, json.dumps(GOOD).encode())["cold"])


def test_a_server_in_which_an_op_ran_after_its_imports_forks_no_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "eager_context_touched", EAGER_CONTEXT_TOUCHED)
    monkeypatch.setattr(eager_context, "_context", SimpleNamespace(_initialized=True))
    said = answer(server, json.dumps(GOOD).encode())
    assert "something that ran after the imports ran a TensorFlow op" in str(said["cold"]) and "started" not in said


@pytest.mark.parametrize(("grace", "kill_at"), [(60, 1060.0), (None, 1000 + warm_session.GRACE_SECONDS)])
def test_the_grace_is_the_clients(monkeypatch: pytest.MonkeyPatch, grace: float | None, kill_at: float) -> None:
    monkeypatch.setattr(warm_session.time, "monotonic", lambda: 1000.0)
    session = Session(socket.socket(), json.dumps(GOOD | {"grace": grace}).encode() + b"\n", files=[1, 2])
    session.call()
    monkeypatch.setattr(session, "signal", lambda _: None)
    session.stop()
    assert session.kill_at == kill_at


def test_a_source_file_that_vanishes_while_it_is_read_makes_a_server_outdated(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.tick()
    assert path.exists()
    monkeypatch.setattr(identity, "version", lambda: Path("gone").read_bytes())
    server.tick()
    assert not path.exists()


@pytest.mark.parametrize("seconds", [86400, -86400])
def test_a_server_is_idle_by_its_own_clock_however_the_hosts_is_set(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    right = time.time()
    monkeypatch.setattr(time, "time", lambda: right + seconds)
    server.tick()
    assert path.exists()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 901)
    server.tick()
    assert not path.exists()


def test_a_server_leaves_another_ones_socket_alone(server: Server, path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(str(path))
        server.tick()
        assert not server.listens
        assert path.exists()


def test_a_client_that_waits_for_its_server_says_so_once(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [None, None, None, "a connection"]
    monkeypatch.setattr(client, "socket_path", lambda _: path)
    monkeypatch.setattr(client, "connect", lambda _: answers.pop(0))
    another = warm_lock.take(path)
    assert another
    try:
        assert client.connect_or_start(tmp_path / "p.json", tmp_path) == "a connection"
    finally:
        os.close(another)
    assert capsys.readouterr().err.splitlines() == [WAITING]


def test_a_client_whose_server_drains_before_its_node_begins_asks_again(
    server: Server, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, met = socket.socket(socket.AF_UNIX), []

    def _answer() -> None:
        with later.accept()[0] as answering:
            answering.recv(65536)
            answering.sendall(b'{"started": true}\n{"exit": 99}\n')

    def connected(*_: object) -> socket.socket | None:
        met.append(connection := client.connect(path))
        if len(met) == 1:  # it waits in the backlog
            server.drain("a test's wish")
            later.bind(str(path))
            later.listen()
            threading.Thread(target=_answer, daemon=True).start()
        return connection

    monkeypatch.setattr(client, "connect_or_start", connected)
    with later:
        assert client.run([], tmp_path / "p.json", tmp_path) == 99
    assert len(met) == 2
