"""`nightlite beam-pool`: workers for Beam's own local runner, which asks for them as an engine does."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import portpicker
import psutil
import pytest
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.transforms import environments

from nightlite.paths import PROJECT
from nightlite.runner.exit_codes import EXIT_USAGE
from nightlite.runner.in_tfx import commands
from tests.run_nodes import wait_for
from tests.runner.in_tfx.beam.listening import listening_ports

COMMAND = [sys.executable, "-m", "nightlite.runner.in_tfx.commands", "beam-pool"]


class Pool:
    """A running pool."""

    def __init__(self, folder: Path) -> None:
        self.port, self.log = portpicker.pick_unused_port(), folder / "log"
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "NIGHTLITE_VAR_DIR": str(folder)}
        with self.log.open("wb") as log:
            command = [*COMMAND, f"--port={self.port}"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        wait_for(lambda: self.listens() or self.process.poll() is not None, seconds=900)
        self.folder = folder
        [self.server] = psutil.Process(self.process.pid).children()

    def listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def workers(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children() if child.pid != self.server.pid]

    def pipeline(self) -> beam.Pipeline:
        environment = environments.ExternalEnvironment(f"127.0.0.1:{self.port}")
        return beam.Pipeline(runner=fn_runner.FnApiRunner(default_environment=environment))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    pool = Pool(tmp_path_factory.mktemp("pool"))
    yield pool
    if pool.process.poll() is None:
        pool.process.kill()


def note(number: int, file: str) -> int:
    ports = sorted(listening_ports(psutil.Process()))
    Path(file).write_text(f"{os.getppid()} {'tfx.v1' in sys.modules} {ports} {os.environ['TMPDIR']}")
    return number


def sleep(number: int, file: str) -> int:
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)
    return number


def test_a_worker_is_a_fork_that_has_imported_tfx_and_leaves_nothing(pool: Pool, tmp_path: Path) -> None:
    with pool.pipeline() as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(note, str(tmp_path / "note"))
    parent, imported, ports, temporary = (tmp_path / "note").read_text().split()
    assert (int(parent), imported, ports) == (pool.process.pid, "True", "[]")
    wait_for(lambda: not pool.workers())
    assert not Path(temporary).exists()
    assert "peak" in pool.log.read_text().splitlines()[-1]


def test_a_worker_that_is_killed_is_waited_for(pool: Pool, tmp_path: Path) -> None:
    process = start_sleeping(pool, tmp_path / "worker")
    worker = psutil.Process(int((tmp_path / "worker").read_text()))
    worker.kill()
    wait_for(lambda: not worker.is_running())
    assert "ended by SIGKILL after" in pool.log.read_text().splitlines()[-1]
    process.kill()


def test_the_pool_listens_on_this_machine_only(pool: Pool) -> None:
    assert listening_ports(pool.server) == {"127.0.0.1"}
    assert listening_ports(psutil.Process(pool.process.pid)) == set()


def test_a_port_in_use_is_refused_before_tfx_is_imported(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["beam-pool", f"--port={pool.port}"]) == EXIT_USAGE
    assert f"Received: 127.0.0.1:{pool.port} (Address already in use)" in capsys.readouterr().err


def test_sigterm_ends_the_pool_and_its_workers(pool: Pool, tmp_path: Path) -> None:
    process = start_sleeping(pool, tmp_path / "worker")
    worker = psutil.Process(int((tmp_path / "worker").read_text()))
    pool.process.terminate()
    assert pool.process.wait(60) == 0
    assert not worker.is_running() and not pool.server.is_running()
    assert list((pool.folder / "tmp").iterdir()) == []
    process.kill()


def start_sleeping(pool: Pool, file: Path) -> "subprocess.Popen[bytes]":
    """Start a process whose job's worker sleeps, and wait for that worker. It writes its pid to `file`."""
    code = f"""
import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.transforms import environments
from tests.runner.in_tfx.worker_pool.slow.test_pool import sleep

environment = environments.ExternalEnvironment("127.0.0.1:{pool.port}")
with beam.Pipeline(runner=fn_runner.FnApiRunner(default_environment=environment)) as pipeline:
    pipeline | beam.Create([1]) | beam.Map(sleep, {str(file)!r})
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stderr=subprocess.DEVNULL)
    wait_for(lambda: file.exists() and file.read_text())
    return process
