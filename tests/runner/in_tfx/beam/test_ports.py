"""Beam's sockets, at which another user of this machine gets no answer."""

import ipaddress
import json
import stat
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import psutil
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.direct import direct_runner
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import worker_pool_main
from grpc import _server

from nightlite.runner.in_tfx.beam import ports
from tests.runner.in_tfx.beam.listening import listening_ports, note_ports


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the ports for one test, and Beam's own again after it."""
    urn, handlers = ports.python_urns.SUBPROCESS_SDK, worker_handlers.WorkerHandler._registered_environments
    for owner, name in (
        (_server._Server, "add_insecure_port"),
        (worker_handlers, "GrpcServer"),
        (worker_handlers, "BasicLoggingService"),
        (worker_handlers.GrpcWorkerHandler, "port_from_worker"),
        (direct_runner.SwitchingDirectRunner, "_is_interactive"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setitem(handlers, urn, handlers[urn])
    ports.install()


def test_a_small_job_opens_nothing(tmp_path: Path, installed: None) -> None:
    """Beam would open a worker pool, and try to download a runner that is no Python."""
    found = tmp_path / "ports"
    with beam.Pipeline(options=PipelineOptions([])) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(note_ports, str(found))
    assert json.loads(found.read_text()) == []


def test_the_socket_of_a_deep_folder_is_in_a_private_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    folder = Path(ports.private_folder())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and not list(deep.iterdir())
    folder.rmdir()


def test_a_worker_pool_for_another_runner_listens_on_this_machine_only(installed: None) -> None:
    _, pool = worker_pool_main.BeamFnExternalWorkerPoolServicer.start(use_process=False)
    try:
        found = listening_ports(psutil.Process())
        assert found and all(ipaddress.ip_address(address).is_loopback for address in found)
    finally:
        pool.stop(0)


def test_beam_still_listens_on_every_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server._Server, "add_insecure_port", ports.grpcs_add_insecure_port)
    _, pool = worker_pool_main.BeamFnExternalWorkerPoolServicer.start(use_process=False)
    try:
        assert listening_ports(psutil.Process()) & {"::", "0.0.0.0"}
    finally:
        pool.stop(0)


def test_beam_still_starts_a_worker_by_a_command(tmp_path: Path) -> None:
    provision: Any = SimpleNamespace(provision_info=beam_provision_api_pb2.ProvisionInfo())
    command = f"touch {tmp_path}/started".encode()
    local_job_service.SubprocessSdkWorker(command, "localhost:1", provision).run()
    assert (tmp_path / "started").exists()
