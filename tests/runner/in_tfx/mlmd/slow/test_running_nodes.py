"""A node's next run clears up what a try killed at last has left; what lives is left alone."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from nightlite.deployment.settings import Settings
from nightlite.ondevice.hooks import HOOKS
from nightlite.paths import PROJECT
from nightlite.runner.in_tfx import run_local
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.mlmd import running_nodes
from tests.faults.tfx.nights import folders_of, prune, reopened, simulate
from tests.pipelines import tiny_nights
from tests.run_nodes import Deployment, until_asleep, wait_for

_HOLD = """
import sys, time
from pathlib import Path
from nightlite.runner.in_tfx.mlmd import running_nodes
with running_nodes.held(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def running_process(file: Path, run_id: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(file), run_id],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def until_said(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout
    assert any(word in line for line in process.stdout), f"it ended before it said {word!r}"


def folders(deployment: Deployment, execution_id: int) -> list[Path]:
    return list((deployment.folder / "root" / "Moody").glob(f"[!.]*/{execution_id}"))


def marks(deployment: Deployment) -> list[Path]:
    return running_nodes.files_of(deployment.folder / "root", "odd.Moody")


def kill_all(deployment: Deployment, client: subprocess.Popen[str]) -> None:
    """Kill all processes, as when the machine loses power."""
    processes = [child for server in deployment.servers() for child in [server, *server.children(recursive=True)]]
    for process in [*processes, *psutil.Process(client.pid).children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    client.kill()
    client.wait()
    psutil.wait_procs(processes, timeout=30)


@pytest.mark.parametrize("runtime", ["warm", "cold"])
def test_the_next_run_closes_what_a_killed_one_left_and_leaves_a_living_one_alone(
    deployment: Deployment, runtime: str
) -> None:
    dead, living, later = (f"{name}-{runtime}" for name in ("dead", "living", "later"))
    assert deployment.run("Echo", later, f"word={later}")[0] == 0
    client = deployment.start_moody(dead, "sleep", runtime=runtime)
    until_asleep(client)
    kill_all(deployment, client)
    [(dead_id, state)] = deployment.executions(dead, "Moody")
    assert state == "RUNNING" and folders(deployment, dead_id) and len(marks(deployment)) == 1
    running_now = deployment.start_moody(living, "sleep")
    try:
        until_asleep(running_now)
        code, _, log = deployment.run("Moody", later)
        assert code == 0, log
        assert deployment.executions(dead, "Moody") == [(dead_id, "FAILED")]
        assert folders(deployment, dead_id) == []
        [(living_id, state)] = deployment.executions(living, "Moody")
        assert state == "RUNNING" and folders(deployment, living_id) and len(marks(deployment)) == 1
    finally:
        os.killpg(running_now.pid, signal.SIGTERM)
        running_now.wait(60)
    wait_for(lambda: deployment.executions(living, "Moody")[-1][1] == "CANCELED")
    wait_for(lambda: marks(deployment) == [])


def test_a_lock_ends_with_its_process_and_a_removed_file_is_made_again(tmp_path: Path) -> None:
    file = running_nodes.file_of(tmp_path, "p.Node", "run ü")
    with running_process(file, "run ü") as first:
        until_said(first, "held")
        assert not running_nodes.is_dead(file)
        with running_process(file, "run ü") as second:
            until_said(second, "waiting")
            running_nodes.remove(file)  # as one does who has cleared up, while the next try waits already
            first.kill()
            until_said(second, "held")
            assert file.exists() and not running_nodes.is_dead(file)
    assert running_nodes.is_dead(file)
    with running_nodes.left_by_dead(file) as run_id:
        assert run_id == "run ü"


def test_another_nodes_file_is_not_this_ones(tmp_path: Path) -> None:
    for node in ("p.Node", "p.Node.b"):
        with running_nodes.held(running_nodes.file_of(tmp_path, node, "run"), "run"):
            pass
    assert running_nodes.files_of(tmp_path, "p.Node") == [running_nodes.file_of(tmp_path, "p.Node", "run")]


@pytest.mark.parametrize("holder", ["lives", "is dead", "is unknown"])
def test_a_dead_runs_artifacts_are_as_old_as_it_is(tmp_path: Path, holder: str) -> None:
    list(simulate(5, tmp_path))
    config = Settings(var_dir=tmp_path)
    oldest = reopened(config.mlmd_url)
    model = folders_of(config).artifacts / "Train" / "model" / str(oldest)
    file = running_nodes.file_of(folders_of(config).artifacts, "nights.Train", "nights.night-0")
    with running_process(file, "nights.night-0") as process:
        until_said(process, "held")
        if holder == "is dead":
            process.kill()
            process.wait()
        if holder == "is unknown":
            running_nodes.remove(file)
        prune(config, push_dir=tmp_path / "none")
        assert model.exists() == (holder != "is dead")


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_run_in_one_process_is_running_in_each_of_its_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends_well: bool
) -> None:
    compiled = compile_pipeline(tiny_nights.create_pipeline(str(tmp_path), ""), tiny_nights.PARAMETERS, HOOKS)
    files = [running_nodes.file_of(tmp_path, f"nights.{node.id}", "nights.by-hand") for node in compiled.nodes]

    def run_with_ir(*_: object) -> None:
        assert all(file.exists() and not running_nodes.is_dead(file) for file in files)
        if not ends_well:
            raise InterruptedError

    monkeypatch.setattr(LocalDagRunner, "run_with_ir", run_with_ir)
    monkeypatch.setattr(run_local, "_results", lambda *_: {})
    with contextlib.nullcontext() if ends_well else pytest.raises(InterruptedError):
        run_local.run_local(compiled, "by-hand", f"sqlite:///{tmp_path / 'mlmd.sqlite'}", {})
    assert [file.exists() for file in files] == [not ends_well] * len(files)
    assert all(running_nodes.is_dead(file) for file in files) != ends_well
