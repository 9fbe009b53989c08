"""One client of the warm server, with its request and its node. `client` describes the protocol."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import time
from pathlib import Path

from nightlite.runner.in_tfx.warm import forking

GRACE_SECONDS = 5.0
# MLMD's own retries take half a minute, but a lock may stay forever.
CLOSING_SECONDS = 120.0


@dataclasses.dataclass(eq=False)
class Session:
    """A connection. `group` is its process group: its node's, or that of the process that closes the execution."""

    socket: socket.socket
    received: bytes = b""
    files: list[int] = dataclasses.field(default_factory=list)
    grace_seconds: float = GRACE_SECONDS
    pipeline: Path = Path()
    child: forking.Child | None = None
    group: int = 0
    stopped: bool = False
    kill_at: float = float("inf")
    code: int | None = None

    def call(self) -> forking.ChildCall:
        """Return the client's request.

        Raises:
          ValueError, LookupError, TypeError, RecursionError: it is no request.
        """
        asked = json.loads(self.received.partition(b"\n")[0])
        stdout, stderr = self.files
        self.pipeline = Path(asked["pipeline"])
        if asked["grace"] is not None:
            self.grace_seconds = asked["grace"]
        return forking.ChildCall(asked["argv"], asked["env"], asked["cwd"], stdout, stderr, asked["path"])

    def reply(self, **fields: object) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(fields).encode() + b"\n")

    def runs(self, child: forking.Child) -> None:
        self.child, self.group = child, child.pid

    def closes(self, pid: int) -> None:
        """Record that the process `pid` closes the execution of the node, which has ended without doing so."""
        self.group, self.kill_at = pid, time.monotonic() + CLOSING_SECONDS

    def stop(self) -> None:
        if not self.stopped and self.code is None:
            self.stopped, self.kill_at = True, time.monotonic() + self.grace_seconds
            self.signal(signal.SIGTERM)

    def signal(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signum)

    def close(self) -> None:
        for number in self.files:
            os.close(number)
        self.files = []
        self.socket.close()
