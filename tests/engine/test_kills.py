"""A node whose job runs on an engine, and what is killed under it. The retry must find no old writer."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from nightlite.runner.in_tfx.mlmd import running_nodes
from tests.engine.conftest import Engine
from tests.pipelines.engine import NAME, NUMBERS
from tests.run_nodes import Deployment, alive, wait_for

NODE = "Writing"
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture
def writing(writing_folder: Deployment, engine: Engine) -> Deployment:
    writing_folder.environment = {"NIGHTLITE_BEAM_ARGS": engine.beam_args}
    for name in ("go", "worker"):
        (writing_folder.folder / "told" / name).unlink(missing_ok=True)
    return writing_folder


def start(
    writing: Deployment, run_id: str, runtime: str = "warm", after: str = ""
) -> tuple["subprocess.Popen[str]", int]:
    """Start the node. Return it and its worker's pid, once a worker other than `after` writes."""
    node = writing.start(NODE, run_id, runtime=runtime, grace=20)
    file = writing.folder / "told" / "worker"
    wait_for(lambda: (file.exists() and file.read_text() not in ("", after)) or node.poll() is not None, seconds=300)
    assert node.poll() is None, node.communicate()[0]
    return node, int(file.read_text())


def require_retry(writing: Deployment, run_id: str) -> None:
    """Require that the same run's next try succeeds, and that no folder of an earlier try is left."""
    file = writing.folder / "told" / "worker"
    node, _ = start(writing, run_id, after=file.read_text() if file.exists() else "")
    (writing.folder / "told" / "go").touch()
    log = node.communicate(timeout=300)[0]
    result = writing.result(NODE, run_id)
    assert (node.returncode, result.state) == (0, "succeeded"), log
    tries = [number for number, _ in writing.executions(run_id, NODE, NAME)]
    folder = writing.folder / "root" / NODE / "examples"
    assert [number for number in tries if (folder / str(number)).exists()] == [result.execution_id] == tries[-1:]
    made = {path.name for path in (folder / str(result.execution_id)).iterdir()}
    assert made == {f"{number}.txt" for number in range(NUMBERS)}
    assert list((writing.folder / "root" / running_nodes.FOLDER).iterdir()) == []
    [runner] = [Path(item.uri).read_text() for item in result.outputs["runner"]]
    assert runner == "PortableRunner"


def test_a_stopped_node_cancels_its_job(writing: Deployment, engine: Engine) -> None:
    node, worker = start(writing, "stopped")
    node.terminate()
    log = node.communicate(timeout=300)[0]
    assert node.returncode == 128 + signal.SIGTERM
    assert "cancelled job" in log
    assert engine.states()[-1] == "CANCELLED"
    wait_for(lambda: not alive(worker), seconds=120)
    require_retry(writing, "stopped")


@pytest.mark.parametrize("runtime", ["warm", "cold"])
def test_the_job_of_a_killed_node_is_cancelled_by_the_process_that_survives(
    writing: Deployment, engine: Engine, runtime: str
) -> None:
    node, worker = start(writing, f"killed-{runtime}", runtime)
    parents = writing.servers() if runtime == "warm" else [psutil.Process(node.pid)]
    [child] = (child for parent in parents for child in parent.children())
    child.kill()
    node.communicate(timeout=300)
    assert node.returncode == 128 + signal.SIGKILL
    assert engine.states()[-1] == "CANCELLED"
    wait_for(lambda: not alive(worker), seconds=120)
    require_retry(writing, f"killed-{runtime}")


def test_the_job_of_a_node_that_nothing_survived_is_cancelled_by_the_retry(writing: Deployment, engine: Engine) -> None:
    node, worker = start(writing, "nothing survived")
    servers = writing.servers()
    for server in servers:
        server.suspend()  # it would close the execution of its child
    for process in (*(child for server in servers for child in server.children()), *servers, psutil.Process(node.pid)):
        process.kill()
    node.communicate(timeout=300)
    assert engine.states()[-1] == "RUNNING"
    require_retry(writing, "nothing survived")
    assert engine.states()[-2:] == ["CANCELLED", "DONE"]
    wait_for(lambda: not alive(worker), seconds=120)


def test_a_killed_pool_fails_the_node(writing: Deployment, engine: Engine) -> None:
    node, worker = start(writing, "killed pool")
    engine.pool.end(signal.SIGKILL)
    require_failure(writing, node, "killed pool")
    wait_for(lambda: not alive(worker), seconds=120)
    engine.start()
    require_retry(writing, "killed pool")


def test_a_missing_pool_fails_the_node(writing: Deployment, engine: Engine) -> None:
    engine.pool.end(signal.SIGTERM)
    node = writing.start(NODE, "no pool")
    require_failure(writing, node, "no pool")
    engine.start()
    require_retry(writing, "no pool")


def test_a_killed_job_server_fails_the_node(writing: Deployment, engine: Engine) -> None:
    node, worker = start(writing, "killed server")
    engine.prism.end(signal.SIGKILL)
    require_failure(writing, node, "killed server", "the engine was lost while it ran job", "then clear this task")
    wait_for(lambda: not alive(worker), seconds=300)
    engine.start()
    require_retry(writing, "killed server")


def test_a_missing_job_server_fails_the_node(writing: Deployment, engine: Engine) -> None:
    engine.prism.end(signal.SIGKILL)
    node = writing.start(NODE, "no server")
    require_failure(writing, node, "no server", "expected an engine's job server at", "no answer for 10 s")
    engine.start()
    require_retry(writing, "no server")


def require_failure(writing: Deployment, node: "subprocess.Popen[str]", run_id: str, *words: str) -> None:
    """Require that the node fails within five minutes, in a sentence."""
    log = node.communicate(timeout=300)[0]
    result = writing.result(NODE, run_id)
    assert (node.returncode, result.state) == (1, "failed"), log
    assert result.reason and all(word in result.reason for word in words), log
    print(result.reason)
    assert "\n" not in result.reason
    assert [state for _, state in writing.executions(run_id, NODE, NAME)] == ["FAILED"]
