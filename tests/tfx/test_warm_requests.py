"""Answers of a warm server to clients that send no request."""

import json
import os
import socket
from pathlib import Path

import pytest

from pipeline_lib.tfx import forking
from pipeline_lib.tfx.warm_server import Server
from pipeline_lib.tfx.warm_session import Session

GOOD = {"argv": ["--help"], "env": {}, "cwd": "/", "path": [], "grace": None}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(forking, "eager_context_touched", lambda: False)  # by other tests of this process
    monkeypatch.setattr(forking.os, "fork", lambda: pytest.fail("forked"))
    return Server(tmp_path / "s.sock", tmp_path / "p.json", tmp_path, idle_seconds=900, culprit=None)


def answer(server: Server, line: bytes) -> dict[str, object]:
    ours, theirs = socket.socketpair()
    files = [os.open(os.devnull, os.O_WRONLY) for _ in range(2)]
    server._start(Session(theirs, line + b"\n", files))
    said: dict[str, object] = {}
    with ours, ours.makefile() as lines:
        for text in lines:
            said |= json.loads(text)
    return said


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"7",
        b"no JSON",
        b'"\xff"',
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="nested 200,000 deep"),
        pytest.param(b'{"a":' * 200_000 + b"1" + b"}" * 200_000, id="objects nested 200,000 deep"),
        json.dumps({**GOOD, "env": []}).encode(),
        json.dumps({**GOOD, "env": {"A": 1}}).encode(),
        json.dumps({**GOOD, "argv": "--help"}).encode(),
        json.dumps({**GOOD, "path": None}).encode(),
        json.dumps({**GOOD, "grace": -1}).encode(),
        json.dumps({**GOOD, "grace": float("nan")}).encode(),
        json.dumps({key: value for key, value in GOOD.items() if key != "cwd"}).encode(),
    ],
)
def test_what_is_no_request_is_answered_with_an_error(server: Server, line: bytes) -> None:
    assert "expected a request" in str(answer(server, line)["error"])


def test_a_folder_of_a_name_that_no_system_admits_is_answered(server: Server) -> None:
    line = json.dumps({**GOOD, "env": {"MNIST_LITE_VAR_DIR": "a\0b"}}).encode()
    assert "cannot start a child" in str(answer(server, line)["cold"])
