"""Ask this host's warm server to run a node. Stdlib only: this process exists for the length of one task.

Protocol, one connection per node: the client sends one JSON line `{"argv": [...], "env": {...}, "cwd": "..."}` with
its stdout and stderr attached (SCM_RIGHTS), so that the node writes straight into the task's log. It may then send `T`:
terminate. The server answers one JSON line: `{"exit": CODE}`, or `{"cold": REASON}` where it will not fork. Whoever
finds the connection closed takes the other for dead.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from pipeline_lib.node_exit import EXIT_FAILED
from pipeline_lib.places import PROJECT, runtime_dir
from pipeline_lib.tfx.warm_identity import socket_path

# Importing TFX takes 16 s on two idle cores; a loaded host may need several times that.
START_SECONDS = 300


def run(arguments: list[str], pipeline: Path, state_dir: Path) -> int | None:
    """Run the node on the warm server, starting one where there is none.

    Returns:
      The node's exit code; None where the node must be run cold, the reason printed.
    """
    path = socket_path(state_dir, pipeline)
    try:
        connection = _connect(path) or _start_and_connect(path, pipeline, state_dir)
    except (OSError, TimeoutError) as error:
        print(f"the warm server could not be started ({error}); running cold", file=sys.stderr, flush=True)
        return None
    with connection:
        signal.signal(signal.SIGTERM, lambda *_: connection.send(b"T"))
        signal.signal(signal.SIGINT, lambda *_: connection.send(b"T"))
        request = {"argv": arguments, "env": dict(os.environ), "cwd": os.getcwd()}
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [1, 2])
        answer = _read_line(connection)
    if not answer:
        print("the warm server ended before the node did; the next try starts a new one", flush=True)
        return EXIT_FAILED
    reply = json.loads(answer)
    if "cold" in reply:
        print(f"{reply['cold']}; running cold", file=sys.stderr, flush=True)
        return None
    return int(reply["exit"])


def _read_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as lines:
        try:
            return lines.readline()
        except ConnectionError:
            return b""


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _start_and_connect(path: Path, pipeline: Path, state_dir: Path) -> socket.socket:
    """One client starts the server, the others wait for it behind the same lock."""
    with open(path.with_suffix(".starting"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection := _connect(path):
            return connection
        log = path.with_suffix(".log")
        print(f"starting the warm server (log: {log})", file=sys.stderr, flush=True)
        server = _start(path, pipeline, state_dir, log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if connection := _connect(path):
                return connection
            if server.poll() is not None:
                raise ChildProcessError(f"it ended with code {server.returncode}, see {log}")
            time.sleep(0.05)
        server.kill()
        raise TimeoutError(f"it did not answer within {START_SECONDS} s, see {log}")


def _start(path: Path, pipeline: Path, state_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline_lib.tfx.warm_server", str(path), str(pipeline), str(state_dir)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=PROJECT,
        )


def main(pipeline: Path) -> int:
    """Start the server of `pipeline` ahead of its first node, and return once it listens."""
    path = socket_path(runtime_dir(), pipeline)
    with contextlib.suppress(OSError, TimeoutError):  # the first node will try again, and say what is wrong
        (_connect(path) or _start_and_connect(path, pipeline, runtime_dir())).close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
