"""Ask this host's warm server to run a node. Stdlib only: this process exists for the length of one task.

Protocol, one connection per node. The client sends one JSON line `{"pipeline": FILE, "argv": [...], "env": {...},
"cwd": "...", "path": [sys.path], "grace": SECONDS or null}`, where FILE is absolute. Its stdout and stderr are attached
(SCM_RIGHTS), so that the node writes straight into the task's log. It may then send `T`: terminate, and kill after the
grace. The server answers in lines of JSON: `{"started": true}` just before the node begins, then `{"exit": CODE}`; or
`{"cold": REASON}` where it will not fork; or `{"error": REASON}` where that was no request. A side that finds the
connection closed takes the other for dead; a client without an answer asks again.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nightlite.paths import PROJECT, runtime_dir
from nightlite.runner.exit_codes import EXIT_FAILED, EXIT_USAGE
from nightlite.runner.in_tfx.warm import lock as warm_lock
from nightlite.runner.in_tfx.warm.identity import socket_path
from nightlite.runner.warm_start import WAITING

# Importing TFX takes 20 s on two idle cores, and longer on a loaded host.
START_SECONDS = 300
# The exit code of a server that finds itself outdated once it has imported everything.
EXIT_OUTDATED = 75
_TRIES = 3


def run(arguments: list[str], pipeline: Path, state_dir: Path, grace_seconds: float | None = None) -> int | None:
    """Run the node on the warm server, and start one if there is none.

    Returns:
      The node's exit code; None if the node must be run cold, with the reason printed.
    """
    here = {
        "pipeline": os.path.abspath(pipeline),
        "argv": arguments,
        "env": dict(os.environ),
        "cwd": os.getcwd(),
        "path": sys.path,
        "grace": grace_seconds,
    }
    for _ in range(_TRIES):
        try:
            connection = connect_or_start(pipeline, state_dir)
        except OSError as error:
            print(f"the warm server could not be started ({error}); running cold", file=sys.stderr, flush=True)
            return None
        with connection:
            reply = _ask(connection, here)
        if "cold" in reply:
            print(f"{reply['cold']}; running cold", file=sys.stderr, flush=True)
            return None
        if "exit" in reply:
            return int(reply["exit"])
        if "error" in reply:
            print(f"the warm server: {reply['error']}", file=sys.stderr, flush=True)
            return EXIT_USAGE
        if reply:
            print("the warm server ended before the node did; the next try starts a new one", flush=True)
            return EXIT_FAILED
    print(f"{_TRIES} warm servers ended before the node began; running cold", file=sys.stderr, flush=True)
    return None


def _ask(connection: socket.socket, request: Mapping[str, object]) -> dict[str, Any]:
    """Return everything that the server answers, or nothing if the node has not begun."""

    def stop(*_: object) -> None:
        with contextlib.suppress(OSError):
            connection.send(b"T")

    reply: dict[str, Any] = {}
    with contextlib.suppress(ConnectionError), connection.makefile("rb") as lines:
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [1, 2])
        # Earlier, SIGTERM ends this process, which leaves nothing running.
        before = {signum: signal.signal(signum, stop) for signum in (signal.SIGTERM, signal.SIGINT)}
        try:
            while not {"exit", "cold"} & set(reply) and (line := lines.readline()):
                reply |= json.loads(line)
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
    return reply


def connect(path: Path) -> socket.socket | None:
    """Return a connection to the server of that socket, or None if there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def connect_or_start(pipeline: Path, state_dir: Path) -> socket.socket:
    """Return a connection to the server. If there is none, one client starts it and the others wait for it.

    Raises:
      ChildProcessError, TimeoutError: it does not start.
    """
    path = socket_path(state_dir)
    server, told, deadline = None, False, time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if connection := connect(path):
            return connection
        if server is None:
            server = _start_unless_another_does(path, pipeline, state_dir)
            if not told:
                print(WAITING, file=sys.stderr, flush=True)
                told = True
        elif server.poll() == EXIT_OUTDATED:
            path, server = socket_path(state_dir), None
        elif server.poll() is not None:
            raise ChildProcessError(f"it ended with code {server.returncode}, see {path.with_suffix('.log')}")
        time.sleep(0.05)
    if server:
        server.kill()
    raise TimeoutError(f"it did not answer within {START_SECONDS} s, see {path.with_suffix('.log')}")


def _start_unless_another_does(path: Path, pipeline: Path, state_dir: Path) -> subprocess.Popen[bytes] | None:
    lock = warm_lock.take(path)
    if lock is None:
        return None
    try:
        log = path.with_suffix(".log")
        print(f"starting the warm server (log: {log})", file=sys.stderr, flush=True)
        return _start(path, pipeline, state_dir, log, lock)
    finally:
        os.close(lock)  # the server has it, too


def _start(path: Path, pipeline: Path, state_dir: Path, log: Path, lock: int) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "nightlite.runner.in_tfx.warm.server",
                str(path),
                os.path.abspath(pipeline),
                str(state_dir),
                str(lock),
            ],
            pass_fds=[lock],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=PROJECT if PROJECT.is_dir() else state_dir,
        )


def main(pipeline: Path) -> int:
    """Start the server ahead of the first node, with the imports of `pipeline`. Return once it listens."""
    with contextlib.suppress(OSError):  # the first node will try again and report the error
        connect_or_start(pipeline, runtime_dir()).close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
