"""Beam's servers, kept on Unix sockets in a private folder, or else on loopback.

Beam 2.77 opens gRPC servers on every interface and checks no client. A client of its worker pool can run code in it.
A client of the control server can answer in a worker's place. The local runner's workers are processes on this
machine, so they connect to sockets that no other user can open. A pipeline with another runner (Flink, Prism) still
gets ports, on loopback, because that runner may be another user's process.

Upstream: none filed; apache/beam#21087, open, asks for ports of one's choice. For Beam 2.77.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.direct.direct_runner import SwitchingDirectRunner
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from google.protobuf import json_format
from grpc import _server

from nightlite.runner.in_tfx.beam import forked_workers

_EVERY_INTERFACE = ("[::]:", "0.0.0.0:")
_LONGEST_FOLDER = 90  # bytes; a Unix socket's path has at most 107
_TICK_SECONDS = 0.2
_GRACE_SECONDS = 5.0
_LOCAL_WORKERS = {python_urns.EMBEDDED_PYTHON, python_urns.EMBEDDED_PYTHON_GRPC, python_urns.SUBPROCESS_SDK}

_sockets: ContextVar[Iterator[Path] | None] = ContextVar("sockets", default=None)
grpcs_add_insecure_port = _server._Server.add_insecure_port
_port_from_worker = worker_handlers.GrpcWorkerHandler.port_from_worker
_GrpcServer: Any = worker_handlers.GrpcServer
_SubprocessHandler: Any = worker_handlers.SubprocessSdkWorkerHandler


def add_insecure_port(self: Any, address: str) -> int | Path:
    """Return the port, or the path of the Unix socket opened in its place."""
    if sockets := _sockets.get():
        path = next(sockets)
        grpcs_add_insecure_port(self, f"unix:{path}")
        return path
    for every in _EVERY_INTERFACE:
        if address.startswith(every):
            address = f"localhost:{address.removeprefix(every)}"
    return int(grpcs_add_insecure_port(self, address))


def port_from_worker(self: Any, port: int | Path) -> str:
    """Return the address at which a worker finds this port or socket."""
    return f"unix:{port}" if isinstance(port, Path) else cast(str, _port_from_worker(self, port))


class GrpcServer(_GrpcServer):
    """Beam's servers for one pipeline: control, data, state and logging."""

    def __init__(self, state: Any, provision_info: Any, worker_manager: Any) -> None:
        self._folder: str | None = None
        environments = worker_manager._environments.values()
        if any(environment.urn not in _LOCAL_WORKERS for environment in environments):
            super().__init__(state, provision_info, worker_manager)  # such as a container's
            return
        self._folder = private_folder()
        with _on_sockets_in(self._folder):
            super().__init__(state, provision_info, worker_manager)

    def close(self) -> None:
        super().close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


class SubprocessHandler(_SubprocessHandler):
    """A handler of a worker that the node's forker forks. A process without a forker has Beam's own worker."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._closing = threading.Event()
        self._forker = forked_workers.Forker.of_this_process

    def start_worker(self) -> None:
        if not self._forker:
            super().start_worker()
            return
        options = json_format.MessageToDict(self.provision_info.provision_info.pipeline_options)
        order = forked_workers.Order(self.worker_id, self.control_api_service_descriptor().url, options)
        self._ended = self._forker.start(order)
        threading.Thread(target=self._watch, daemon=True, name=f"end of {self.worker_id}").start()

    def _watch(self) -> None:
        """Fail the instructions of a worker that has died, which Beam would wait for forever."""
        how = self._ended.result()
        while how and not self._closing.wait(_TICK_SECONDS):
            for instruction, future in list(self.control_conn._futures_by_id.items()):
                if not future.is_done():
                    future.set(beam_fn_api_pb2.InstructionResponse(instruction_id=instruction, error=how))

    def close(self) -> None:
        self._closing.set()
        if self._forker and self.control_conn._futures_by_id:  # another worker has failed, or the task is stopped
            self._forker.dismiss(self.worker_id)
        super().close()

    def stop_worker(self) -> None:
        if not self._forker:
            super().stop_worker()
            return
        try:
            self._ended.result(timeout=_GRACE_SECONDS)
        except TimeoutError:  # such as one that has only now connected
            self._forker.dismiss(self.worker_id)


def private_folder() -> str:
    """Return a new folder of mode 0700 whose sockets have paths that are short enough."""
    folder = tempfile.mkdtemp(prefix="beam-")
    if len(os.fsencode(folder)) <= _LONGEST_FOLDER:
        return folder
    os.rmdir(folder)
    return tempfile.mkdtemp(prefix="beam-", dir="/tmp")


@contextlib.contextmanager
def _on_sockets_in(folder: str) -> Iterator[None]:
    token = _sockets.set(Path(folder, str(number)) for number in itertools.count())
    try:
        yield
    finally:
        _sockets.reset(token)


def install() -> None:
    """Install all replacements in this process. Once is enough."""
    _server._Server.add_insecure_port = add_insecure_port
    worker_handlers.GrpcServer = GrpcServer
    worker_handlers.BasicLoggingService = local_job_service.BeamFnLoggingServicer  # one line a message
    worker_handlers.GrpcWorkerHandler.port_from_worker = port_from_worker
    worker_handlers.WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(SubprocessHandler)
    # Prism, for batch pipelines outside of notebooks, would be downloaded and opens its own ports.
    SwitchingDirectRunner._is_interactive = True
