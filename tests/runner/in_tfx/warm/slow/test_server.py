"""The warm server as an operator meets it: killed, outdated, raced for, worn, and asked by someone else."""

import contextlib
import fcntl
import importlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightlite.paths import PROJECT, SOURCES
from nightlite.runner.compiled_pipeline import CompiledPipeline, sealed
from nightlite.runner.in_tfx.warm import forking, identity, preloading
from tests.run_nodes import LONG, Deployment, alive, compile_odd, until_asleep, wait_for


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Yield a deployment whose servers these tests may kill."""
    folder = tmp_path_factory.mktemp("own")
    compile_odd(folder)
    deployment = Deployment(folder)
    yield deployment
    deployment.stop_servers()


@contextlib.contextmanager
def executors_in(module: str, deployment: Deployment) -> Iterator[None]:
    """Have the odd pipeline's components in another module."""
    compiled = CompiledPipeline.read(deployment.pipeline)
    text = compiled.model_dump_json().replace("tests.pipelines.odd.", f"{module}.")
    CompiledPipeline.model_validate_json(text).write(deployment.pipeline)
    try:
        yield
    finally:
        compiled.write(deployment.pipeline)


def _sockets(deployment: Deployment) -> list[Path]:
    return sorted(identity.socket_folder(deployment.folder / "var").glob("*.sock"))


def test_first_nodes_at_once_start_one_server_and_share_it(own: Deployment) -> None:
    processes = [own.start("Echo", f"first-{number}", f"number={number}") for number in range(4)]
    logs = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, logs
    assert len(own.servers()) == 1
    assert sum("starting the warm server" in log for log in logs) == 1
    [path] = _sockets(own)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root can ask as someone else")
def test_another_user_is_refused(own: Deployment) -> None:
    own.run("Echo", "other-user")
    [path] = _sockets(own)
    # Opened as root, past the private folder; connected as someone else.
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
    own.run("Echo", "long", "word=long")
    short = own.start_moody("short", "nap")
    until_asleep(short)
    long = own.start("Moody", "long", "mood=sleep")  # forked while the server has the short one's log open
    until_asleep(long)
    short.communicate(timeout=300)  # reads the log to its end
    assert short.returncode == 0
    assert long.poll() is None
    long.terminate()
    long.communicate(timeout=300)


def test_a_server_killed_mid_node_takes_the_node_along_and_the_retry_starts_another(own: Deployment) -> None:
    process = own.start_moody("killed", "sleep")
    [pid] = until_asleep(process)
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
    process = own.start_moody("client", "hog")
    pids = until_asleep(process, grandchildren=1)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(alive, pids)))
    wait_for(lambda: own.executions("client", "Moody")[-1][1] == "CANCELED")


def test_a_new_compiled_pipeline_gets_a_new_server_and_the_old_one_ends(own: Deployment) -> None:
    own.run("Echo", "before")
    [before] = own.servers()
    own.pipeline.write_text(sealed(CompiledPipeline.read(own.pipeline).model_dump_json(indent=2)))
    assert own.run("Echo", "after")[0] == 0
    wait_for(lambda: not before.is_running())
    [after] = own.servers()
    assert after.pid != before.pid
    assert len(_sockets(own)) == 1


@LONG
def test_a_server_ends_when_it_has_been_idle(own: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    own.stop_servers()
    monkeypatch.setitem(own.environment, "MNIST_LITE_TEST_IDLE_SECONDS", "1")
    assert own.run("Echo", "idle")[0] == 0
    wait_for(lambda: not own.servers())
    assert _sockets(own) == []


@LONG
def test_a_server_in_which_tensorflow_ran_an_op_answers_cold_and_says_what_did(
    own: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.stop_servers()
    # An executor's module that runs an op at import, as an installed package might: a user's is not imported here.
    guilty = own.folder / "site-packages" / "guilty.py"
    guilty.parent.mkdir()
    source = (PROJECT / "tests" / "pipelines" / "odd.py").read_text()
    guilty.write_text(f"{source}\n\nimport tensorflow as tf\n\ntf.constant(1)\n")
    monkeypatch.setitem(own.environment, "PYTHONPATH", f"{guilty.parent}:{PROJECT}")
    with executors_in("guilty", own):
        process = own.start("Echo", "guilty", "word=guilty")
        log = process.communicate(timeout=280)[0]
    own.stop_servers()
    assert "guilty ran a TensorFlow op in the warm server" in log
    assert "running cold" in log
    assert process.returncode == 0, log


@LONG
def test_two_hundred_nodes_leave_no_zombie_no_socket_and_no_memory(own: Deployment) -> None:
    own.run("Echo", "worn-warm-up", "number=1")
    [server] = own.servers()
    before, files = server.memory_info().rss, server.num_fds()
    failed: list[str] = []

    def run(lane: int) -> None:
        for number in range(50):
            process = own.start("Echo", f"worn-{lane}-{number}", f"number={number}", f"word=lane {lane}")
            log = process.communicate(timeout=300)[0]
            if process.returncode or "answered from cache" in log:
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
    assert server.num_fds() == files
    assert len(_sockets(own)) == 1
    assert list((own.folder / "var" / "tmp").iterdir()) == []


def test_a_long_state_folder_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    path = identity.socket_path(deep, tmp_path / "pipeline.json")
    assert len(os.fsencode(path)) < 104
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    path.unlink()
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("executor", "preloaded"),
    [
        ("tfx.components.y", True),
        ("nightlite.ondevice.in_tfx.report.component", True),
        ("models.mnist.x", False),
        ("nightlite.mine.x", False),
        ("tests.pipelines.odd", False),
        ("nobody.has.it", False),
    ],
)
def test_only_what_is_installed_and_our_own_is_preloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str, preloaded: bool
) -> None:
    pipeline = tmp_path / "p.json"
    specs = {"a": {"classPath": f"{executor}.Executor"}, "b": {"pythonExecutorSpec": {"classPath": "keras.z.Executor"}}}
    ir = {"deploymentConfig": {"executorSpecs": specs}}
    CompiledPipeline(tfx_version="1.21.0", name="p", nodes=(), ir=ir).write(pipeline)
    imported: list[str] = []
    monkeypatch.setattr(importlib, "import_module", imported.append)
    monkeypatch.setattr(forking, "eager_context_touched", lambda: False)  # by other tests of this process
    preloading.preload(pipeline)
    assert "keras.z" in imported
    assert (executor in imported) == preloaded
    assert ("tfx.v1" in imported) != preloaded  # a user's own component begins with it


def test_each_edit_of_our_code_and_each_change_of_the_environment_is_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, packages, pipeline = tmp_path / "nightlite", tmp_path / "site-packages", tmp_path / "p.json"
    shutil.copytree(SOURCES / "nightlite", ours, ignore=shutil.ignore_patterns("__pycache__"))
    packages.mkdir()
    monkeypatch.setattr(identity, "_OURS", ours)
    monkeypatch.syspath_prepend(str(packages))

    def append(file: Path) -> None:
        file.write_text(file.read_text() + "# edited\n")

    def swap(one: Path, other: Path) -> None:
        one.rename(tmp_path / "kept")
        other.rename(one)
        (tmp_path / "kept").rename(other)

    changes = {
        "the pipeline": lambda: pipeline.write_text("{}"),
        "a module": lambda: append(ours / "tfx" / "forking.py"),
        "a package's module": lambda: append(ours / "tfx" / "report" / "executor.py"),
        "the core": lambda: append(ours / "settings.py"),
        "a new module": lambda: (ours / "tfx" / "new.py").touch(),
        "two files of one name": lambda: swap(ours / "tfx" / "__init__.py", ours / "releases" / "__init__.py"),
        "an installed package": lambda: os.utime(packages, (1, 1)),
        "another interpreter": lambda: monkeypatch.setattr(sys, "executable", "/elsewhere/python"),
    }
    seen = {identity.socket_path(tmp_path, pipeline)}
    for what, change in changes.items():
        change()
        assert identity.socket_path(tmp_path, pipeline) not in seen, what
        seen.add(identity.socket_path(tmp_path, pipeline))
    append(ours / "mnist" / "trainer.py")
    assert identity.socket_path(tmp_path, pipeline) in seen


def test_a_users_module_is_found_where_the_node_says_and_an_edit_of_it_takes_effect_at_the_next_node(
    own: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = own.folder / "toys" / "toy.py"
    toy.parent.mkdir()
    source = (PROJECT / "tests" / "pipelines" / "odd.py").read_text()
    with executors_in("toy", own):
        log = own.start("Echo", "toy").communicate(timeout=280)[0]  # starts the server, which has no such folder
        assert "toy" in log and "echo" not in log
        monkeypatch.setitem(own.environment, "PYTHONPATH", f"{PROJECT}:{toy.parent}")
        said = []
        for word in ("first", "second"):
            toy.write_text(source.replace('print(f"echo', f'print(f"{word} echo'))
            said.append(own.run("Echo", f"toy-{word}", f"word={word}")[2])
    assert "first echo" in said[0], said
    assert "second echo" in said[1], said
    assert not any("starting the warm server" in log for log in said)


def test_a_node_that_is_deaf_to_sigterm_is_killed_after_the_grace(own: Deployment) -> None:
    process = own.start_moody("deaf", "deaf", grace=0.2)
    [pid] = until_asleep(process)
    process.terminate()
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 128 + signal.SIGKILL, log
    assert not alive(pid)
    assert own.executions("deaf", "Moody")[-1][1] == "CANCELED"


def test_a_locked_metadata_store_keeps_only_those_waiting_who_need_it(own: Deployment) -> None:
    process = own.start_moody("locked", "sleep")
    [pid] = until_asleep(process)
    [path], [server] = _sockets(own), own.servers()
    lock = os.open(own.folder / "var" / "metadata" / "mlmd.sqlite.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: [child.pid for child in server.children()] not in ([], [pid]))  # what closes its execution
        with socket.socket(socket.AF_UNIX) as another:
            another.settimeout(60)
            another.connect(str(path))
            another.sendall(b"no request\n")
            assert b"error" in another.recv(4096)
        assert process.poll() is None
    finally:
        os.close(lock)
    log = process.communicate(timeout=120)[0]
    assert process.returncode == 128 + signal.SIGKILL, log
    assert own.executions("locked", "Moody")[-1][1] == "FAILED"


def test_a_client_killed_while_its_server_imports_leaves_it_to_the_next(own: Deployment) -> None:
    own.stop_servers()
    for path in _sockets(own):  # what the servers that other tests killed have left
        path.unlink()
    first = own.start("Echo", "orphan-1", "word=orphan 1")
    wait_for(lambda: own.servers())
    [server] = own.servers()
    first.kill()
    first.communicate()
    assert not _sockets(own), "it was killed too late"
    second = own.start("Echo", "orphan-2", "word=orphan 2")
    log = second.communicate(timeout=280)[0]
    assert second.returncode == 0, log
    assert "starting the warm server" not in log
    assert [process.pid for process in own.servers()] == [server.pid]


def test_stopping_a_server_lets_its_nodes_finish(own: Deployment) -> None:
    process = own.start_moody("drain", "nap")
    [server] = own.servers()
    until_asleep(process)
    server.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 0, log
    wait_for(lambda: not server.is_running())


def test_the_reports_executor_is_imported_without_an_op_and_without_the_users_code() -> None:
    code = (
        "import sys, nightlite.ondevice.in_tfx.report.executor; from nightlite.runner.in_tfx.warm import forking; "
        "print(forking.eager_context_touched(), [m for m in sys.modules if m.startswith('models.mnist')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False []"
