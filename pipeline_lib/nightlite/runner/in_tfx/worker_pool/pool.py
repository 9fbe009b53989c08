"""A pool of Beam workers that are forks of a process that has imported TFX: `nightlite beam-pool`.

An engine with `--environment_type=EXTERNAL` asks it for workers over gRPC, and starts them in milliseconds. Beam's own
pool starts a process for each, which imports TFX again: 30 s of CPU.

A process with an open gRPC channel cannot fork safely. So a first fork serves gRPC and asks this process, over a
socket pair, to start and stop workers. A request is a line of JSON, {"start": ID, "control": ADDRESS} or
{"stop": ID}. The answer is a line too: an error, or "".
"""

import contextlib
import dataclasses
import json
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from nightlite.errors import NightliteError
from nightlite.paths import runtime_dir, temporary_dir
from nightlite.runner.exit_codes import EXIT_FAILED, EXIT_OK
from nightlite.runner.in_tfx.beam import memo
from nightlite.runner.in_tfx.warm import forking, preloading

# Beam's default for its own workers.
_STATE_CACHE_BYTES = 100 << 20


@dataclasses.dataclass
class _Worker:
    name: str
    temporary: Path
    started: float


class WorkerPool:
    """A loop that forks a worker for each request, and waits for those that have ended."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._workers: dict[int, _Worker] = {}
        self._lifeline = forking.Lifeline()
        self._requests, self._asking = socket.socketpair()
        self._server = 0
        self._stopped = False

    def serve(self) -> int:
        """Serve until SIGTERM, and end all workers.

        Returns:
          An exit code.
        """
        with self._signals() as woken:
            self._server = self._fork(self._serve_grpc)
            self._asking.close()
            lines = self._requests.makefile("rw")
            selector = selectors.DefaultSelector()
            selector.register(woken, selectors.EVENT_READ)
            selector.register(self._requests, selectors.EVENT_READ)
            while self._server and not self._stopped:
                ready = {key.fileobj for key, _ in selector.select()}
                if woken in ready:
                    woken.recv(4096)
                    self._reap()
                if self._requests in ready and (line := lines.readline()):
                    print(json.dumps(self._answer(**json.loads(line))), file=lines, flush=True)
        for pid in filter(None, [self._server, *self._workers]):
            _kill(pid)
        while self._server or self._workers:
            self._wait(os.wait3(0))
        return EXIT_OK if self._stopped else EXIT_FAILED

    @contextlib.contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        woken, wakes = socket.socketpair()
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(-1)

    def _stop(self, *_: object) -> None:
        self._stopped = True

    def _answer(self, start: str = "", control: str = "", stop: str = "") -> str:
        """Start or stop a worker. Return an error, or ""."""
        for pid, worker in self._workers.items():
            if worker.name == stop:
                os.kill(pid, signal.SIGTERM)
        try:
            if start:
                self._start(start, control)
        except OSError as error:
            return f"no worker could be started: {error}"
        return ""

    def _start(self, name: str, control: str) -> None:
        temporary = Path(tempfile.mkdtemp(prefix=f"node-{os.getpid()}-", dir=temporary_dir()))
        try:
            pid = self._fork(_work, name, control, temporary)
        except OSError:
            shutil.rmtree(temporary)
            raise
        self._workers[pid] = _Worker(name, temporary, time.monotonic())
        say(f"worker {name}: started for {control}, pid {pid}")

    def _fork(self, function: Any, *arguments: Any) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.set_wakeup_fd(-1)
            for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(signum, signal.SIG_DFL)
            os.setsid()
            self._requests.close()
            self._lifeline.hold()
            function(*arguments)
        except BaseException as error:
            say(f"{type(error).__name__}: {error}")
            os._exit(EXIT_FAILED)
        os._exit(EXIT_OK)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.wait3(os.WNOHANG))[0]:
                self._wait(ended)

    def _wait(self, ended: tuple[int, int, resource.struct_rusage]) -> None:
        pid, status, usage = ended
        if pid == self._server:
            self._server = 0
        if worker := self._workers.pop(pid, None):
            _kill(pid)  # what it has started
            shutil.rmtree(worker.temporary, ignore_errors=True)
            say(f"worker {worker.name}: {_end(status)} after {time.monotonic() - worker.started:.1f} s, {_used(usage)}")

    def _serve_grpc(self) -> NoReturn:
        from nightlite.runner.in_tfx.worker_pool import service  # opens no channel yet

        service.serve(self._asking, self._address)


def _kill(group: int) -> None:
    """Kill a child of this process and all that it has started."""
    for kill in (os.kill, os.killpg):  # it may have no group of its own yet
        with contextlib.suppress(ProcessLookupError):
            kill(group, signal.SIGKILL)


def _end(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with code {os.WEXITSTATUS(status)}"


def _used(usage: resource.struct_rusage) -> str:
    return f"CPU {usage.ru_utime + usage.ru_stime:.1f} s, peak {usage.ru_maxrss >> 10:,} MiB"


def _work(name: str, control: str, temporary: Path) -> None:
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = None
    SdkHarness(control, worker_id=name, state_cache_size=_STATE_CACHE_BYTES).run()


def say(text: str) -> None:
    """Write a line to the pool's log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def run(host: str, port: int, folder: Path) -> int:
    """Import TFX, then serve workers, whose code is imported from `folder`. Return the exit code.

    Raises:
      NightliteError: no process can be forked safely.
    """
    if culprit := preloading.preload():
        raise NightliteError(f"{culprit} ran a TensorFlow op when it was imported, so workers cannot be forked")
    memo.install()
    forking.freeze()
    forking.clear_temporaries(runtime_dir())
    sys.path.append(str(folder))
    say(f"listening on {host}:{port}")
    return WorkerPool(f"[{host}]:{port}" if ":" in host else f"{host}:{port}").serve()
