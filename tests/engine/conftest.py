"""An engine beside the tests: Prism's job server and a pool of workers, as a user starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import portpicker
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from nightlite.paths import PROJECT
from nightlite.runner.in_tfx.compile import compile_pipeline
from tests.pipelines.engine import NAME, create_pipeline
from tests.run_nodes import Deployment, wait_for

PRISM = PROJECT / ".venvs" / "prism" / "bin" / "prism"


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Server:
    """A process that listens on a port. It can be killed and started again."""

    command: list[str]
    port: int
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it unless it is running, and wait until it listens."""
        if self.process and self.process.poll() is None:
            return
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "NIGHTLITE_VAR_DIR": str(self.log.parent / "var")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=environment, cwd=PROJECT)
        wait_for(lambda: listens(self.port) or self.process.poll() is not None, seconds=900)  # a pool imports TFX
        assert listens(self.port), self.log.read_text()

    def end(self, signum: int = signal.SIGKILL) -> None:
        assert self.process
        self.process.send_signal(signum)
        self.process.wait(60)


@dataclass
class Engine:
    """Prism and a pool."""

    prism: Server
    pool: Server

    def start(self) -> None:
        self.pool.start()
        self.prism.start()

    @property
    def beam_args(self) -> str:
        """Return a value of NIGHTLITE_BEAM_ARGS that sends every Beam node to this engine."""
        arguments = [
            "--runner=PortableRunner",
            f"--job_endpoint=127.0.0.1:{self.prism.port}",
            "--environment_type=EXTERNAL",
            f"--environment_config=127.0.0.1:{self.pool.port}",
            "--sdk_container_image=unused",
            "--job_server_timeout=10",
        ]
        return json.dumps([{"nodes": "*", "args": arguments}])

    def states(self) -> list[str]:
        """Return the states of all jobs of this Prism, oldest first."""
        with grpc.insecure_channel(f"127.0.0.1:{self.prism.port}") as channel:
            jobs = beam_job_api_pb2_grpc.JobServiceStub(channel).GetJobs(beam_job_api_pb2.GetJobsRequest()).job_info
        return [beam_job_api_pb2.JobState.Enum.Name(job.state) for job in sorted(jobs, key=lambda job: job.job_id)]


@pytest.fixture(scope="session")
def engine_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if not PRISM.exists():
        pytest.skip(f"NOT TESTED: no {PRISM}; 'make test-engine' installs it")
    folder = tmp_path_factory.mktemp("engine")
    ports = [portpicker.pick_unused_port() for _ in range(3)]
    prism = [str(PRISM), f"--job_port={ports[0]}", f"--web_port={ports[1]}"]
    pool = [sys.executable, "-m", "nightlite.runner.in_tfx.commands", "beam-pool", f"--port={ports[2]}"]
    engine = Engine(Server(prism, ports[0], folder / "prism.log"), Server(pool, ports[2], folder / "pool.log"))
    yield engine
    for server in (engine.prism, engine.pool):
        if server.process and server.process.poll() is None:
            server.end(signal.SIGTERM)
        print(f"--- {server.log}\n{server.log.read_text() if server.log.exists() else ''}")


@pytest.fixture
def engine(engine_of_session: Engine) -> Engine:
    """Return the engine, running, whatever the test before has killed."""
    engine_of_session.start()
    return engine_of_session


@pytest.fixture(scope="session")
def writing_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("writing")
    (folder / "told").mkdir()
    pipeline = create_pipeline(str(folder / "root"), str(folder / "told"))
    deployment = Deployment(folder, name=NAME)
    compile_pipeline(pipeline).write(deployment.pipeline)
    yield deployment
    deployment.stop_servers()
