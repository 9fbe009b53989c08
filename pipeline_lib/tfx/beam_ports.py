"""Beam's servers on this machine only.

Beam 2.77 opens gRPC servers at every interface, with no credentials, while it runs a pipeline in this process: whoever
reaches the one of its worker pool can have it run their code. Its own workers come to `localhost` anyway.
"""

from typing import Any

from grpc import _server

_EVERY_INTERFACE = ("[::]:", "0.0.0.0:")
_add_insecure_port = _server._Server.add_insecure_port


def _add_local_port(self: Any, address: str) -> int:
    for every in _EVERY_INTERFACE:
        if address.startswith(every):
            address = f"localhost:{address.removeprefix(every)}"
    return int(_add_insecure_port(self, address))


def install() -> None:
    """Have every gRPC server without credentials listen here alone, in this process; once is enough."""
    _server._Server.add_insecure_port = _add_local_port
