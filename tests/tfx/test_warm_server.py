"""The warm server as an operator meets it: killed, outdated, raced for, worn, and asked by somebody else."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_lib.graph import CompiledPipeline
from pipeline_lib.places import PROJECT
from pipeline_lib.tfx import preloading, warm_identity
from tests.tfx.conftest import LONG, Deployment, alive, compile_odd, wait_for


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment whose servers these tests may kill."""
    folder = tmp_path_factory.mktemp("own")
    compile_odd(folder)
    deployment = Deployment(folder)
    yield deployment
    deployment.stop_servers()


def _sockets(deployment: Deployment) -> list[Path]:
    return sorted(warm_identity.socket_folder(deployment.folder / "var").glob("*.sock"))


def test_first_nodes_at_once_start_one_server_and_share_it(own: Deployment) -> None:
    processes = [own.start("Echo", f"first-{number}", f"number={number}") for number in range(4)]
    logs = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, logs
    assert len(own.servers()) == 1
    assert sum("starting the warm server" in log for log in logs) == 1
    assert len(_sockets(own)) == 1


def test_the_socket_is_in_a_private_folder(own: Deployment) -> None:
    own.run("Echo", "private")
    folder = warm_identity.socket_folder(own.folder / "var")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root can ask as somebody else")
def test_another_user_is_refused(own: Deployment) -> None:
    own.run("Echo", "other-user")
    [path] = _sockets(own)
    # Opened as root, past the private folder; connected as somebody else.
    ask = (
        "import os, socket, sys; door = os.open(sys.argv[1], os.O_PATH); os.setresuid(65534, 65534, 65534); "
        "s = socket.socket(socket.AF_UNIX); s.connect(f'/proc/self/fd/{door}'); print(s.recv(10) or 'closed')"
    )
    path.chmod(0o777)
    command = [sys.executable, "-S", "-c", ask, str(path)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert asked.stdout.strip() == "closed", asked.stderr
    assert "refused a connection from uid 65534" in path.with_suffix(".log").read_text()


def test_a_nodes_log_ends_with_it_whatever_else_is_running(own: Deployment) -> None:
    for run_id in ("short", "long"):
        own.run("Echo", run_id, f"word={run_id}")
    short = own.start("Moody", "short", "mood=nap")
    _wait_until_asleep(short)
    long = own.start("Moody", "long", "mood=sleep")  # forked while the server has the short one's log open
    _wait_until_asleep(long)
    short.communicate(timeout=300)  # reads the log to its end
    assert short.returncode == 0
    assert long.poll() is None
    long.terminate()
    long.communicate(timeout=300)


def _wait_until_asleep(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return next(int(line.split()[-1]) for line in process.stdout if line.startswith("asleep as"))


def test_a_server_killed_mid_node_takes_the_node_along_and_the_retry_starts_another(own: Deployment) -> None:
    own.run("Echo", "killed", "word=killed")
    process = own.start("Moody", "killed", "mood=sleep")
    pid = _wait_until_asleep(process)
    [server] = own.servers()
    server.kill()
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert "the warm server ended before the node did" in log
    wait_for(lambda: not alive(pid))
    code, result, log = own.run("Moody", "killed")
    assert (code, result.state) == (0, "succeeded"), log
    assert [state for _, state in own.executions("killed", "Moody")] == ["FAILED", "COMPLETE"]
    [after] = own.servers()
    assert after.pid != server.pid


def test_what_a_killed_server_left_in_tmp_is_cleared_by_the_next(own: Deployment) -> None:
    own.stop_servers()
    left = own.folder / "var" / "tmp" / "node-4194304-left"  # above the highest pid that Linux gives
    left.mkdir(parents=True, exist_ok=True)
    own.run("Echo", "clears")
    assert not left.exists()


def test_a_client_killed_mid_node_takes_the_node_along(own: Deployment) -> None:
    own.run("Echo", "client", "word=client")
    process = own.start("Moody", "client", "mood=hog")
    assert process.stdout
    pids = []
    for line in process.stdout:
        if line.startswith(("asleep as", "grandchild")):
            pids.append(int(line.split()[-1]))
        if line.startswith("grandchild"):
            break
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(alive, pids)))
    wait_for(lambda: own.executions("client", "Moody")[-1][1] == "CANCELED")


def test_a_new_compiled_pipeline_gets_a_new_server_and_the_old_one_ends(own: Deployment) -> None:
    own.run("Echo", "before")
    [before] = own.servers()
    text = own.pipeline.read_text()
    own.pipeline.write_text(text + "\n")
    assert own.run("Echo", "after")[0] == 0
    wait_for(lambda: not before.is_running())
    [after] = own.servers()
    assert after.pid != before.pid
    assert len(_sockets(own)) == 1


@LONG
def test_a_server_ends_when_it_has_been_idle(own: Deployment) -> None:
    own.stop_servers()
    own.environment["MNIST_LITE_RUNTIME_IDLE_SECONDS"] = "1"
    try:
        assert own.run("Echo", "idle")[0] == 0
    finally:
        del own.environment["MNIST_LITE_RUNTIME_IDLE_SECONDS"]
    wait_for(lambda: not own.servers())
    assert _sockets(own) == []


@LONG
def test_a_server_in_which_tensorflow_ran_an_op_answers_cold_and_says_what_did(own: Deployment) -> None:
    own.stop_servers()
    # An executor's module that runs an op at import, as a user's own component might.
    guilty = own.folder / "guilty" / "guilty.py"
    guilty.parent.mkdir()
    source = (PROJECT / "tests" / "pipelines" / "odd.py").read_text()
    guilty.write_text(f"{source}\n\nimport tensorflow as tf\n\ntf.constant(1)\n")
    compiled = own.pipeline.read_text()
    own.pipeline.write_text(compiled.replace("tests.pipelines.odd.", "guilty."))
    own.environment["PYTHONPATH"] = f"{guilty.parent}:{PROJECT}"
    try:
        process = own.start("Echo", "guilty", "word=guilty")
        log = process.communicate(timeout=280)[0]
    finally:
        del own.environment["PYTHONPATH"]
        own.pipeline.write_text(compiled)
        own.stop_servers()
    assert "guilty ran a TensorFlow op in the warm server" in log
    assert "running cold" in log
    assert process.returncode == 0, log


@LONG
def test_two_hundred_nodes_leave_no_zombie_no_socket_and_no_memory(own: Deployment) -> None:
    own.run("Echo", "worn-warm-up", "number=1")
    [server] = own.servers()
    before = server.memory_info().rss
    failed: list[str] = []

    def run(lane: int) -> None:
        for number in range(50):
            process = own.start("Echo", f"worn-{lane}-{number}", "number=1")
            log = process.communicate(timeout=300)[0]
            if process.returncode:
                failed.append(log)

    lanes = [threading.Thread(target=run, args=(lane,)) for lane in range(4)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert failed == []
    assert server.is_running()
    assert server.children() == []
    assert server.memory_info().rss < 1.05 * before
    assert len(_sockets(own)) == 1
    assert list((own.folder / "var" / "tmp").iterdir()) == []


def test_a_long_state_folder_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    path = warm_identity.socket_path(deep, tmp_path / "pipeline.json")
    assert len(os.fsencode(path)) < 104
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    path.unlink()
    path.parent.rmdir()


def test_the_users_code_is_not_preloaded(tmp_path: Path) -> None:
    pipeline = tmp_path / "p.json"
    specs = {
        "a": {"classPath": "pipeline_lib.mnist.x.Executor"},
        "b": {"pythonExecutorSpec": {"classPath": "tfx.components.y.Executor"}},
    }
    ir = {"deploymentConfig": {"executorSpecs": specs}}
    CompiledPipeline(tfx_version="1.21.0", name="p", nodes=(), ir=ir).write(pipeline)
    assert preloading.executor_modules(pipeline) == ["tfx.components.y"]


def test_stopping_a_server_lets_its_nodes_finish(own: Deployment) -> None:
    own.run("Echo", "drain", "word=drain")
    [server] = own.servers()
    process = own.start("Moody", "drain", "mood=nap")
    _wait_until_asleep(process)
    server.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 0, log
    wait_for(lambda: not server.is_running())
