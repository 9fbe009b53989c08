"""Beam's sockets, at which another user of this machine gets no answer."""

import ipaddress
import json
import os
import stat
import tempfile
from pathlib import Path

import apache_beam as beam
import psutil
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct import direct_runner
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import worker_pool_main
from grpc import _server

from nightlite.runner.in_tfx.beam import ports
from tests.runner.in_tfx.beam.listening import listening_ports, look_around, note_ports


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


def test_no_other_user_gets_an_answer_while_two_workers_do_a_job(tmp_path: Path, installed: None) -> None:
    arguments = ["--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    others = {child.pid for child in psutil.Process().children(recursive=True)}
    with beam.Pipeline(options=PipelineOptions(arguments)) as pipeline:
        numbers = pipeline | beam.Create(range(100)) | beam.Reshuffle()
        total = numbers | beam.Map(look_around, str(tmp_path), others) | beam.CombineGlobally(sum)
        total | beam.Map(str) | beam.io.WriteToText(str(tmp_path / "total"), shard_name_template="")
    assert (tmp_path / "total").read_text() == "4950\n"
    workers = [json.loads(file.read_text()) for file in tmp_path.glob("*.json")]
    assert len(workers) == 2
    for told in workers:
        assert told["ports"] == []
        assert len(told["sockets"]) == 4  # control, data, state, logging
        assert told["own"] == ["connected"]
        if os.getuid() == 0:
            assert told["others"] == ["PermissionError"]
        assert not Path(told["sockets"][0]).parent.exists()


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
