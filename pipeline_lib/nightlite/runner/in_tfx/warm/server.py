"""The warm server: a process that has imported TFX and forks a child per node of any pipeline.

    python -m nightlite.runner.in_tfx.warm.server SOCKET PIPELINE VAR_DIR LOCK

`client` starts it for the first node that needs one, of PIPELINE, and describes the protocol. The client takes the
lock, which this process inherits as an open file (see `lock`).

It only imports: it never runs an op, opens MLMD or starts Beam, so that forking it stays safe. It imports before it
listens and never afterwards. It has one thread and one loop. It ends after an idle time. It drains, which means that
it finishes running nodes and takes no new ones. It does so on SIGTERM, or when its code, its packages or the newest
server have changed.
"""

import contextlib
import os
import resource
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from nightlite import locks
from nightlite.runner.in_tfx.warm import forking, identity, preloading
from nightlite.runner.in_tfx.warm import lock as warm_lock
from nightlite.runner.in_tfx.warm.client import EXIT_OUTDATED
from nightlite.runner.in_tfx.warm.listener import Listener
from nightlite.runner.in_tfx.warm.session import Session

IDLE_SECONDS = 900.0
_TICK_SECONDS = 2.0


class Server:
    """A loop that forks a child per request. `culprit` names the module that made forking unsafe, if one did."""

    def __init__(self, path: Path, idle_seconds: float, culprit: str | None, lock: int = -1):
        self._path, self._idle_seconds, self._culprit, self._lock = path, idle_seconds, culprit, lock
        self._selector = selectors.DefaultSelector()
        self._sessions: set[Session] = set()
        self._by_pid: dict[int, Session] = {}
        self._lifeline = forking.Lifeline()
        self._listener: Listener | None = None
        self._last_used = time.monotonic()
        self._own_files: set[int] = set()
        self._told = False

    def serve(self) -> None:
        """Serve until idle, outdated or asked to drain."""
        wakeup, signalled = socket.socketpair()
        for end in (wakeup, signalled):
            end.setblocking(False)
        signal.set_wakeup_fd(signalled.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._told_to_drain)
        self._selector.register(wakeup, selectors.EVENT_READ, "signal")
        self._own_files = {wakeup.fileno(), signalled.fileno(), self._selector.fileno()}
        self.listen()
        while self._listener or self._sessions:
            for key, _ in self._selector.select(timeout=self._until_next_kill()):
                if key.data == "signal":
                    with contextlib.suppress(BlockingIOError):
                        wakeup.recv(4096)
                elif key.data == "listener":
                    self._accept()
                else:
                    self._read(key.data)
            self._reap()
            self.tick()

    @property
    def listens(self) -> bool:
        return self._listener is not None

    def _until_next_kill(self) -> float:
        first = min((session.kill_at for session in self._by_pid.values()), default=float("inf"))
        return max(0.0, min(_TICK_SECONDS, first - time.monotonic()))

    def _told_to_drain(self, *_: object) -> None:
        self._told = True

    def listen(self) -> None:
        """Take the socket's name and begin to accept clients."""
        self._listener = Listener(self._path)
        self._selector.register(self._listener, selectors.EVENT_READ, "listener")
        say(f"listening on {self._path}")

    def drain(self, why: str) -> None:
        """Finish running nodes and take no new ones."""
        if self._listener:
            say(f"taking no new nodes ({why}); {len(self._by_pid)} still running")
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            if self._lock >= 0:
                locks.unlock(self._lock)
                self._lock = -1
            # Clients without a started node ask again, as do those without an answer.
            for session in [session for session in self._sessions if not session.child]:
                self._forget(session)

    def _accept(self) -> None:
        assert self._listener
        try:
            connection = self._listener.accept()
        except PermissionError as error:
            say(str(error))
            return
        if connection:
            session = Session(connection)
            self._sessions.add(session)
            self._selector.register(connection, selectors.EVENT_READ, session)

    def _read(self, session: Session) -> None:
        try:
            data, files, _, _ = socket.recv_fds(session.socket, 65536, 2)
        except OSError:
            data, files = b"", []
        session.files.extend(files)
        if not data:
            self._client_gone(session)
        elif session.child:
            session.stop()
        else:
            session.received += data
            _, end, rest = session.received.partition(b"\n")
            if end:
                self.start(session)
                if rest and session.child:
                    session.stop()

    def start(self, session: Session) -> None:
        """Answer a whole request, and fork its node."""
        self._last_used = time.monotonic()
        if self._culprit or forking.eager_context_touched():
            module = self._culprit or "something that ran after the imports"
            session.reply(cold=f"{module} ran a TensorFlow op in the warm server, which can no longer fork safely")
            self._forget(session)
            return
        try:
            call = session.call()
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            say(f"not a request: {error}")
            session.reply(error=f"expected a request as warm.client sends it. Received: {error}")
            self._forget(session)
            return
        preloading.read_ahead(session.pipeline)
        session.reply(started=True)
        try:
            session.runs(forking.start(call, self._lifeline, own_session=True, not_for_child=self._open_files()))
        except (OSError, ValueError) as error:  # a full disk, no memory for another process, a NUL in a folder's name
            session.reply(cold=f"the warm server cannot start a child ({error})")
            self._forget(session)
            return
        self._by_pid[session.group] = session

    def _open_files(self) -> set[int]:
        """Return our files and every client's. A child with another node's log open would keep its task waiting."""
        files = set(self._own_files)
        if self._listener:
            files.add(self._listener.fileno())
        if self._lock >= 0:
            files.add(self._lock)
        for session in self._sessions:
            files.update([session.socket.fileno(), *session.files])
        return files

    def _client_gone(self, session: Session) -> None:
        self._selector.unregister(session.socket)
        if session.child:
            session.stop()  # forgotten when its child is reaped
        else:
            self._sessions.discard(session)
            session.close()

    def _forget(self, session: Session) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(session.socket)
        self._sessions.discard(session)
        session.close()

    def _reap(self) -> None:
        for pid, session in list(self._by_pid.items()):
            ended, status, rusage = os.wait4(pid, os.WNOHANG)
            if ended:
                del self._by_pid[pid]
                # Leftovers of the node end with it.
                session.signal(signal.SIGKILL)
                if session.code is None:
                    self._node_ended(session, status, rusage)
                if session.group not in self._by_pid:
                    session.reply(exit=session.code)
                    self._forget(session)
                    self._last_used = time.monotonic()

    def _node_ended(self, session: Session, status: int, rusage: resource.struct_rusage) -> None:
        assert session.child
        session.code, death = forking.end(session.child, status, rusage, session.stopped)
        if death:
            with contextlib.suppress(OSError):  # no process for it: the next try closes the execution
                others = self._open_files()
                pid = forking.close_execution(session.child, death, session.stopped, self._lifeline, True, others)
                session.closes(pid)
                self._by_pid[pid] = session

    def tick(self) -> None:
        """Kill nodes whose grace is over, and drain if it is time."""
        now = time.monotonic()
        for session in self._by_pid.values():
            if now >= session.kill_at:
                session.signal(signal.SIGKILL)
                session.kill_at = now + _TICK_SECONDS
        if not self._listener:
            return
        if self._told:
            self.drain("asked to")
        elif not self._by_pid and now - self._last_used > self._idle_seconds:
            self.drain(f"idle for {self._idle_seconds:.0f} s")
        elif identity.is_outdated(self._path):
            self.drain("its code or packages have changed")
        elif self._listener.is_replaced():
            self.drain("its socket is gone")


def say(text: str) -> None:
    """Write a line to the server's log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {text}", flush=True)


def main(path: Path, pipeline: Path, var_dir: Path, lock: int) -> int:
    """Import everything, then serve; return the exit code."""
    idle_seconds = float(os.environ.get("NIGHTLITE_TEST_IDLE_SECONDS") or IDLE_SECONDS)
    culprit = preloading.preload(pipeline)
    forking.freeze()
    if culprit:
        say(f"{culprit} ran a TensorFlow op: every node will run cold")
    if identity.is_outdated(path):
        say("ended: its code or packages changed while it was imported")
        return EXIT_OUTDATED
    warm_lock.sign(lock)  # a reader of the pid sends SIGTERM, which only a running server handles
    warm_lock.drain_others(path)
    forking.clear_temporaries(var_dir)
    Server(path, idle_seconds, culprit, lock).serve()
    say("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
