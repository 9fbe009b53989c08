"""The gRPC side of the worker pool, in a process of its own, which never forks."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

_Servicer: Any = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer
_THREADS = 4


class Service(_Servicer):
    """Beam's `BeamFnExternalWorkerPool`: it passes requests on to the process that forks."""

    def __init__(self, asking: socket.socket) -> None:
        self._lines = asking.makefile("rw")
        self._turn = threading.Lock()

    def StartWorker(self, request: Any, _context: Any) -> Any:
        error = self._ask(start=request.worker_id, control=request.control_endpoint.url)
        return beam_fn_api_pb2.StartWorkerResponse(error=error)

    def StopWorker(self, request: Any, _context: Any) -> Any:
        return beam_fn_api_pb2.StopWorkerResponse(error=self._ask(stop=request.worker_id))

    def _ask(self, **request: str) -> str:
        with self._turn:
            print(json.dumps(request), file=self._lines, flush=True)
            answer = self._lines.readline()
        return str(json.loads(answer)) if answer else "the pool has ended"


def serve(asking: socket.socket, address: str) -> NoReturn:
    """Serve forever. It ends with the process that forks."""
    # Without the option, a second pool on this port would get half of the requests.
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=[("grpc.so_reuseport", 0)])
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(Service(asking), server)
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()
    raise AssertionError("the server was stopped")
