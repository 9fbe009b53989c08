"""The warm server: a process that has imported TFX and forks a child per node.

    python -m pipeline_lib.tfx.warm_server SOCKET PIPELINE VAR_DIR     (started by warm_client, which has the protocol)

It only imports: it never runs an op, opens MLMD or starts Beam, so that forking it stays safe. It has one thread and
one loop. It ends after an idle time, and drains (finishes what runs, takes nothing new) on SIGTERM, when its code, its
environment or the compiled pipeline is no longer what it imported, or when a newer server of the pipeline has started.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from pathlib import Path

from pipeline_lib.tfx import forking, preloading, warm_identity

IDLE_SECONDS = 900.0
GRACE_SECONDS = 5.0
_TICK_SECONDS = 2.0
_LONGEST_REQUEST = 16 * 1024 * 1024


@dataclasses.dataclass(eq=False)
class Session:
    """One client: what it has sent so far, and the child that runs its node."""

    socket: socket.socket
    received: bytes = b""
    files: list[int] = dataclasses.field(default_factory=list)
    child: forking.Child | None = None
    stopped_at: float | None = None

    def reply(self, **fields: object) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(fields).encode() + b"\n")

    def signal_child(self, signum: int) -> None:
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signum)

    def close(self) -> None:
        for number in self.files:
            os.close(number)
        self.files = []
        self.socket.close()


class Server:
    """Forks a child per request; `culprit` names the module that made forking unsafe, if one did."""

    def __init__(self, path: Path, pipeline: Path, var_dir: Path, idle_seconds: float, culprit: str | None):
        self._path, self._pipeline, self._var_dir = path, pipeline, var_dir
        self._idle_seconds, self._culprit = idle_seconds, culprit
        self._selector = selectors.DefaultSelector()
        self._sessions: set[Session] = set()
        self._by_pid: dict[int, Session] = {}
        self._lifeline = forking.Lifeline()
        self._listener: socket.socket | None = None
        self._last_used = time.monotonic()
        self._own_files: set[int] = set()
        self._told = False

    def serve(self) -> None:
        """Serve until idle, outdated or told to drain."""
        wakeup, signalled = socket.socketpair()
        for end in (wakeup, signalled):
            end.setblocking(False)
        signal.set_wakeup_fd(signalled.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._told_to_drain)
        self._selector.register(wakeup, selectors.EVENT_READ, "signal")
        self._own_files = {wakeup.fileno(), signalled.fileno(), self._selector.fileno()}
        self._listen()
        while self._listener or self._sessions:
            for key, _ in self._selector.select(timeout=_TICK_SECONDS):
                if key.data == "signal":
                    with contextlib.suppress(BlockingIOError):
                        wakeup.recv(4096)
                elif key.data == "listener":
                    self._accept()
                else:
                    self._read(key.data)
            self._reap()
            self._tick()

    def _told_to_drain(self, *_: object) -> None:
        self._told = True

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path.unlink(missing_ok=True)
        listener.bind(str(self._path))
        listener.listen(64)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, "listener")
        self._listener = listener
        say(f"listening on {self._path}")

    def _drain(self, why: str) -> None:
        if self._listener:
            say(f"taking no more nodes ({why}); {len(self._by_pid)} still running")
            # Unlinked first: whoever comes now starts a new server instead of meeting a closed door.
            self._path.unlink(missing_ok=True)
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        assert self._listener
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            if (uid := peer_uid(connection)) != os.getuid():
                say(f"refused a connection from uid {uid}")
                connection.close()
                return
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
            self._stop(session)
        else:
            session.received += data
            if session.received.endswith(b"\n"):
                self._start(session)
            elif len(session.received) > _LONGEST_REQUEST:
                self._forget(session)

    def _start(self, session: Session) -> None:
        self._last_used = time.monotonic()
        if self._culprit or forking.eager_context_touched():
            module = self._culprit or "something that ran after the imports"
            session.reply(cold=f"{module} ran a TensorFlow op in the warm server, which can no longer fork safely")
            self._forget(session)
            return
        try:
            form = json.loads(session.received)
            stdout, stderr = session.files
            call = forking.ChildCall(form["argv"], form["env"], form["cwd"], stdout, stderr)
        except (ValueError, KeyError, TypeError) as error:
            say(f"not a request: {error}")
            self._forget(session)
            return
        session.child = forking.start(call, self._lifeline, own_session=True, not_for_child=self._open_files())
        self._by_pid[session.child.pid] = session

    def _open_files(self) -> set[int]:
        """Our files, and every client's: a child that held another node's log open would keep its task waiting."""
        files = set(self._own_files)
        if self._listener:
            files.add(self._listener.fileno())
        for session in self._sessions:
            files.update([session.socket.fileno(), *session.files])
        return files

    def _stop(self, session: Session) -> None:
        if session.stopped_at is None:
            session.stopped_at = time.monotonic()
            session.signal_child(signal.SIGTERM)

    def _client_gone(self, session: Session) -> None:
        self._selector.unregister(session.socket)
        if session.child:
            self._stop(session)  # forgotten when its child is reaped
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
            if ended and session.child:
                del self._by_pid[pid]
                # Whatever the node started and left behind goes with it.
                session.signal_child(signal.SIGKILL)
                code = forking.end(session.child, status, rusage, session.stopped_at is not None, self._lifeline)
                session.reply(exit=code)
                self._forget(session)
                self._last_used = time.monotonic()

    def _tick(self) -> None:
        now = time.monotonic()
        for session in self._by_pid.values():
            if session.stopped_at is not None and now - session.stopped_at > GRACE_SECONDS:
                session.signal_child(signal.SIGKILL)
        if not self._listener:
            return
        if self._told:
            self._drain("told to")
        elif not self._by_pid and now - self._last_used > self._idle_seconds:
            self._drain(f"idle for {self._idle_seconds:.0f} s")
        elif warm_identity.socket_path(self._var_dir, self._pipeline) != self._path:
            self._drain("its code, environment or pipeline has changed")
        elif not self._path.exists():
            self._drain("its socket is gone")


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process at the other end of a Unix socket (unix(7), SO_PEERCRED; getpeereid(3) on macOS)."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    # struct xucred from sys/ucred.h: version, uid, ...
    credentials = connection.getsockopt(0, 1, 76)
    return int(struct.unpack_from("2I", credentials)[1])


def drain_others(path: Path) -> None:
    """Tell older servers of the same pipeline to finish what they run and end."""
    for lock_file in path.parent.glob(f"{warm_identity.family_of(path)}-*.lock"):
        if lock_file.stem != path.stem:
            with lock_file.open("a+", encoding="utf-8") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # Nobody holds it: a server that has ended, or was killed.
                    for suffix in (".lock", ".sock", ".log", ".starting"):
                        lock_file.with_suffix(suffix).unlink(missing_ok=True)
                except BlockingIOError:
                    lock.seek(0)
                    with contextlib.suppress(ValueError, ProcessLookupError):
                        os.kill(int(lock.read()), signal.SIGTERM)


def say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {text}", flush=True)


def main(path: Path, pipeline: Path, var_dir: Path) -> int:
    idle_seconds = float(os.environ.get("MNIST_LITE_RUNTIME_IDLE_SECONDS") or IDLE_SECONDS)
    culprit = preloading.preload(pipeline)
    forking.freeze()
    if culprit:
        say(f"{culprit} ran a TensorFlow op: every node will run cold")
    with path.with_suffix(".lock").open("a+", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # an older server of this very socket may still be draining
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        drain_others(path)
        forking.clear_temporaries(var_dir)
        Server(path, pipeline, var_dir, idle_seconds, culprit).serve()
    say("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
