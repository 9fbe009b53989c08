"""One deployment for the module: its own state folder, the odd pipeline compiled, nodes run as Airflow runs them."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import portpicker
import psutil
import pytest

from nightlite.paths import PROJECT
from nightlite.runner.node_result import NodeResult

LONG = pytest.mark.skipif(
    not os.environ.get("NIGHTLITE_TEST_LONG"), reason="NOT TESTED: takes a minute; set NIGHTLITE_TEST_LONG=1"
)


@dataclass
class Deployment:
    """A state folder in which nodes of the odd pipeline, or of another, run through the real run_node."""

    folder: Path
    runtime: str = "warm"
    environment: dict[str, str] = field(default_factory=dict)
    name: str = "odd"

    @property
    def pipeline(self) -> Path:
        return self.folder / f"{self.name}.json"

    def start(
        self, node: str, run_id: str, *params: str, runtime: str | None = None, grace: float | None = None
    ) -> subprocess.Popen[str]:
        arguments = ["--pipeline", str(self.pipeline), "--node", node, "--run-id", run_id]
        arguments += ["--result", str(self.result_file(node, run_id)), "--runtime", runtime or self.runtime]
        arguments += [] if grace is None else ["--grace", str(grace)]
        arguments += [item for param in params for item in ("--param", param)]
        environment = {
            **os.environ,
            "NIGHTLITE_VAR_DIR": str(self.folder / "var"),
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "",  # as in make demo; with it, children inherit a stdout of another kind
            **self.environment,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "nightlite.runner.in_tfx.run_node", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def start_moody(
        self, run_id: str, mood: str, runtime: str | None = None, grace: float | None = None
    ) -> subprocess.Popen[str]:
        """Start a Moody after an Echo that no earlier run had, so that it is not answered from cache."""
        assert self.run("Echo", run_id, f"word={run_id}")[0] == 0
        return self.start("Moody", run_id, f"mood={mood}", runtime=runtime, grace=grace)

    def run(self, node: str, run_id: str, *params: str, runtime: str | None = None) -> tuple[int, NodeResult, str]:
        """Run one node. Return its exit code, result and log."""
        process = self.start(node, run_id, *params, runtime=runtime)
        log, _ = process.communicate(timeout=400)
        path = self.result_file(node, run_id)
        assert path.exists(), log
        return process.returncode, NodeResult.read(path), log

    def result(self, node: str, run_id: str) -> NodeResult:
        return NodeResult.read(self.result_file(node, run_id))

    def result_file(self, node: str, run_id: str) -> Path:
        return self.folder / f"{run_id}-{node}.json"

    def executions(self, run_id: str, node: str, name: str = "odd") -> list[tuple[int, str]]:
        """Return ids and states of a node's executions in one run, oldest first, as MLMD has them."""
        from ml_metadata import MetadataStore
        from ml_metadata.proto import metadata_store_pb2

        from nightlite.runner.in_tfx.mlmd.store import connection_config

        store = MetadataStore(connection_config(f"sqlite:///{self.folder}/var/metadata/mlmd.sqlite"))
        run = store.get_context_by_type_and_name("pipeline_run", f"{name}.{run_id}")
        found = [
            (execution.id, metadata_store_pb2.Execution.State.Name(execution.last_known_state))
            for execution in (store.get_executions_by_context(run.id) if run else [])
            if any(context.name == f"{name}.{node}" for context in store.get_contexts_by_execution(execution.id))
        ]
        return sorted(found)

    def servers(self) -> list[psutil.Process]:
        """Return this deployment's warm servers, without their children."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                is_server = "nightlite.runner.in_tfx.warm.server" in line and str(self.folder / "var") in line
                parent = process.parent()
                if is_server and not (parent and "nightlite.runner.in_tfx.warm.server" in parent.cmdline()):
                    found.append(process)
        return found

    def sockets(self) -> list[Path]:
        from nightlite.runner.in_tfx.warm.identity import socket_folder

        return sorted(socket_folder(self.folder / "var").glob("*.sock"))

    def stop_servers(self) -> None:
        for server in self.servers():
            with contextlib.suppress(psutil.Error):
                for process in [*server.children(recursive=True), server]:
                    process.send_signal(signal.SIGKILL)
                server.wait(120)
        for path in self.sockets():
            path.unlink()


def compile_odd(folder: Path, name: str = "odd") -> None:
    """Compile the odd pipeline, or another one of `tests.pipelines` that takes the same arguments."""
    imported = folder / "imported"
    imported.mkdir(exist_ok=True)
    places = [str(folder / f"{name}.json"), str(folder / "root"), str(imported)]
    subprocess.run(
        [sys.executable, "-m", f"tests.pipelines.{name}", *places],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )


def odd_deployment(folder: Path) -> Iterator[Deployment]:
    """Yield a deployment with the odd pipeline, and stop its servers afterwards."""
    compile_odd(folder)
    deployment = Deployment(folder)
    yield deployment
    deployment.stop_servers()


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    yield from odd_deployment(tmp_path_factory.mktemp("deployment"))


def until_asleep(process: subprocess.Popen[str], grandchildren: int = 0) -> list[int]:
    """Wait until a Moody sleeps; gives its pid, and then those of as many grandchildren."""
    assert process.stdout
    said = (line for line in process.stdout if line.startswith(("asleep as", "grandchild")))
    return [int(next(said).split()[-1]) for _ in range(1 + grandchildren)]


def alive(pid: int) -> bool:
    """Return whether it runs. A container's first process may never reap: a zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: object, seconds: float = 300) -> None:
    """Wait until a callable is true; a generous bound, for a machine under load."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def mariadb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield a real MariaDB of this test session's own, where `mariadbd` is installed."""
    if not shutil.which("mariadbd"):
        pytest.skip("NOT TESTED: no mariadbd on PATH (Debian: apt-get install mariadb-server)")
    folder = tmp_path_factory.mktemp("mariadb")
    account = pwd.getpwuid(os.getuid()).pw_name
    data, port = folder / "data", portpicker.pick_unused_port()
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={account}", "--skip-test-db"]
    subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    options = [f"--datadir={data}", f"--user={account}", f"--port={port}", f"--socket={folder / 's'}"]
    options += ["--loose-innodb-snapshot-isolation=OFF"]  # as docker-compose.yml has it; docs/troubleshooting.md
    options += ["--max-connections=1000"]  # the default is 151; forty runs at once take up to 245
    server = subprocess.Popen(["mariadbd", "--no-defaults", *options, "--bind-address=127.0.0.1"])
    client = ["mariadb", "--no-defaults", f"--socket={folder / 's'}", "-u", "root"]
    wait_for(lambda: not subprocess.run([*client, "-e", "select 1"], check=False, capture_output=True).returncode)
    user = "create user mlmd@localhost identified by 'pass/word'; grant all on mlmd.* to mlmd@localhost"
    subprocess.run([*client, "-e", f"create database mlmd; {user}"], check=True)
    yield f"mysql://mlmd:pass%2Fword@127.0.0.1:{port}/mlmd"
    server.terminate()
    server.wait(300)
