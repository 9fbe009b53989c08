"""Beam workers that are forked from a process that has imported TFX, so that none imports it again.

A fork is safe only before a process opens MLMD, gRPC or a TensorFlow context. A Beam node therefore forks another
process at its very start: its forker. That waits, holds nothing of the user's code, and forks a worker at each request.
Forker and workers end with the node, however it ends.
"""

import contextlib
import dataclasses
import gc
import importlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from itertools import dropwhile
from typing import Any, ClassVar

from apache_beam.options import pipeline_options
from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import FNAPI_RUNNER_CAPABILITIES
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import text_format

from nightlite.runner.exit_codes import killed_by
from nightlite.runner.in_tfx import node_log
from nightlite.runner.in_tfx.beam import memo


@dataclasses.dataclass(frozen=True)
class Order:
    """A worker to fork: where it finds its runner, and the node's present surroundings."""

    worker_id: str
    control_url: str
    options: Mapping[str, Any]
    environment: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(os.environ))
    import_path: list[str] = dataclasses.field(default_factory=lambda: list(sys.path))
    folder: str = dataclasses.field(default_factory=os.getcwd)


class Forker:
    """The node's end of its forker: it asks for workers and notices their ends.

    `of_this_process` is None in a process that is no Beam node's. `first_death` is a sentence, or "".
    """

    of_this_process: "ClassVar[Forker | None]" = None

    def __init__(self, pid: int, connection: socket.socket, lifeline: int):
        self._pid, self._connection = pid, connection
        self._lifeline = lifeline  # open as long as this process lives
        self._workers: dict[str, Future[str]] = {}
        self._dismissed: set[str] = set()
        self.first_death = ""
        self._reader: threading.Thread | None = None
        self._asking = threading.Lock()

    def start(self, order: Order) -> "Future[str]":
        """Ask for a worker.

        Returns:
          Once it has ended, "" or a sentence on the death that has ended it: its own or, before that, another worker's.
        """
        ended: Future[str] = Future()
        self._workers[order.worker_id] = ended
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, daemon=True, name="ends of Beam's workers")
            self._reader.start()
        self._ask(start=dataclasses.asdict(order))
        return ended

    def dismiss(self, worker_id: str) -> None:
        """Kill a worker that is no longer needed."""
        self._dismissed.add(worker_id)
        self._ask(kill=[worker_id])

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            os.waitpid(self._pid, 0)  # its end may have been noticed by the user's code

    def _ask(self, **what: Any) -> None:
        with contextlib.suppress(OSError), self._asking:  # the reader notices a forker that has ended
            self._connection.sendall(json.dumps(what).encode() + b"\n")

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._connection.makefile(encoding="utf-8") as ends:
            for line in ends:
                worker_id, death = json.loads(line)
                if worker_id in self._dismissed:
                    death = ""
                if death and not self.first_death:
                    self.first_death = death
                    # Beam takes the results in order, and would wait for a worker that has much left to do.
                    self._ask(kill=[name for name, ended in list(self._workers.items()) if not ended.done()])
                self._workers[worker_id].set_result(self.first_death if death else "")
        for worker_id, ended in list(self._workers.items()):
            if not ended.done():
                ended.set_result(f"Beam's {worker_id} is lost: the process that forked it has ended")


def fork_forker(log_levels: bool = False) -> None:
    """Fork this node's forker. Nothing may have run yet but imports.

    Args:
      log_levels: whether lines in the workers' log begin with their level.
    """
    ours, its = socket.socketpair()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            os.close(write)
            _Forks(its, read, log_levels).serve()
        finally:
            os._exit(0)
    its.close()
    os.close(read)
    Forker.of_this_process = Forker(pid, ours, write)


def end_forker() -> None:
    """End this node's forker and its workers, if it has one. Their CPU seconds then count as the node's."""
    if Forker.of_this_process:
        Forker.of_this_process.end()


def in_words(error: BaseException) -> str:
    """Return an error's type and message. If a worker has died, or the error is a worker's, those of the cause."""
    forker = Forker.of_this_process
    if forker and forker.first_death:  # Beam's own words are: Channel closed prematurely
        return forker.first_death
    text = f"{type(error).__name__}: {error}"
    _, is_workers, lines = text.rpartition("Traceback (most recent call last):\n")
    return "\n".join(dropwhile(lambda line: line.startswith(" "), lines.splitlines())) if is_workers else text


class _Forks:
    """The forker itself. Its only thread reads requests. The signal of a child's end interrupts it."""

    def __init__(self, connection: socket.socket, lifeline: int, log_levels: bool):
        self._connection, self._lifeline, self._log_levels = connection, lifeline, log_levels
        self._workers: dict[int, str] = {}

    def serve(self) -> None:
        """Fork and kill workers as asked, until the node ends."""
        # A task's stop signals the whole process group; the node says when its workers are no longer needed.
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, self._reap)
        gc.freeze()
        with contextlib.suppress(OSError), self._connection.makefile(encoding="utf-8") as requests:
            for line in requests:
                request = json.loads(line)
                if "start" in request:
                    self._fork(Order(**request["start"]))
                else:
                    self._kill([pid for pid, name in self._workers.items() if name in request["kill"]])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._kill([*self._workers])
        for pid in self._workers:
            os.waitpid(pid, 0)

    def _fork(self, order: Order) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until the worker's name is known
        pid = os.fork()
        if pid == 0:
            os.close(self._connection.detach())
            _become_worker(order, self._lifeline, self._log_levels)
        self._workers[pid] = order.worker_id
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def _reap(self, *_: object) -> None:
        for pid in list(self._workers):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                end = [self._workers.pop(pid), ""]
                if os.WIFSIGNALED(status):
                    end[1] = f"Beam's {end[0]} was {killed_by(os.WTERMSIG(status), usage)}"
                elif status:
                    end[1] = f"Beam's {end[0]} ended with exit code {os.WEXITSTATUS(status)}; the log above says why"
                with contextlib.suppress(OSError):
                    self._connection.sendall(json.dumps(end).encode() + b"\n")

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _become_worker(order: Order, lifeline: int, log_levels: bool) -> None:
    """Work until the runner has nothing left for it, then end this process."""
    code = 1
    try:
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True, name="lifeline").start()
        os.environ.clear()
        os.environ.update(order.environment)
        os.chdir(order.folder)
        sys.path[:] = order.import_path
        tempfile.tempdir = None
        importlib.invalidate_caches()
        node_log.quiet(levels=log_levels)
        memo.install()
        _harness(order).run()
        code = 0
    except BaseException:
        node_log.say(traceback.format_exc(), logging.ERROR)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _harness(order: Order) -> Any:
    # Beam would warn that a worker of this machine has no folder of staged files, and cannot parse Beam's own options.
    for module in (sdk_worker_main, pipeline_options):
        logging.getLogger(module.__name__).setLevel(logging.ERROR)
    options = {"default_sdk_harness_log_level": "WARNING", **order.options}
    control = endpoints_pb2.ApiServiceDescriptor(url=order.control_url)
    variables = {
        "WORKER_ID": order.worker_id,
        "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
        "PIPELINE_OPTIONS": json.dumps(options),
        "RUNNER_CAPABILITIES": " ".join(FNAPI_RUNNER_CAPABILITIES),
    }
    _, harness, _ = sdk_worker_main.create_harness(variables)
    return harness


def _end_with(lifeline: int) -> None:
    """End this process as soon as the node has ended."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGKILL)
