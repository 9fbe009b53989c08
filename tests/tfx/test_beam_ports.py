"""Where Beam listens."""

import ipaddress

import grpc
import psutil
import pytest
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import worker_pool_main
from grpc import _server

from pipeline_lib.tfx import beam_ports


def listening() -> set[str]:
    found = [item for item in psutil.Process().net_connections("tcp") if item.status == psutil.CONN_LISTEN]
    return {item.laddr.ip.removeprefix("::ffff:") for item in found}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server._Server, "add_insecure_port", beam_ports._add_insecure_port)
    beam_ports.install()


def test_beams_worker_pool_and_its_servers_listen_on_this_machine_only(installed: None) -> None:
    _, pool = worker_pool_main.BeamFnExternalWorkerPoolServicer.start(use_process=False)
    servers = worker_handlers.GrpcServer(worker_handlers.StateServicer(), None, None)
    try:
        found = listening()
        assert found and all(ipaddress.ip_address(address).is_loopback for address in found)
        with grpc.insecure_channel(servers.control_address) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
    finally:
        pool.stop(0)
        servers.close()


def test_the_place_that_it_replaces_is_the_one_that_beam_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the pool is open to all: if Beam mends that, this module can go."""
    monkeypatch.setattr(_server._Server, "add_insecure_port", beam_ports._add_insecure_port)
    _, pool = worker_pool_main.BeamFnExternalWorkerPoolServicer.start(use_process=False)
    try:
        assert "::" in listening() or "0.0.0.0" in listening()
    finally:
        pool.stop(0)
