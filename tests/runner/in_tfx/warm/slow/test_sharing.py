"""One warm server for all nodes that may share it: who gets which, and for how long."""

import contextlib
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline, sealed
from tests.run_nodes import LONG, Deployment, compile_odd, wait_for


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


def test_first_nodes_at_once_start_one_server_and_share_it(own: Deployment) -> None:
    processes = [own.start("Echo", f"first-{number}", f"number={number}") for number in range(4)]
    logs = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, logs
    assert len(own.servers()) == 1
    assert sum("starting the warm server" in log for log in logs) == 1
    [path] = own.sockets()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_pipelines_share_a_server_also_once_one_is_compiled_again(own: Deployment) -> None:
    own.run("Echo", "before")
    [server] = own.servers()
    compile_odd(own.folder, "tiny_nights")
    log = replace(own, name="tiny_nights").start("Data", "night").communicate(timeout=300)[0]
    assert "Data succeeded" in log
    compiled = CompiledPipeline.read(own.pipeline)
    own.pipeline.write_text(sealed(compiled.model_dump_json(indent=2)))
    assert own.run("Echo", "after")[0] == 0
    assert [process.pid for process in own.servers()] == [server.pid]


def test_a_node_with_another_import_time_variable_has_another_server_beside_the_first(
    own: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.run("Echo", "plain")
    [server] = own.servers()
    with monkeypatch.context() as patch:
        patch.setitem(own.environment, "TF_ENABLE_ONEDNN_OPTS", "0")
        assert own.run("Echo", "variable")[0] == 0
    assert own.run("Echo", "plain-again")[0] == 0
    [other] = [process for process in own.servers() if process != server]
    assert other.environ()["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert server.is_running()
    other.terminate()
    other.wait(120)


def test_a_changed_package_gets_a_new_server_and_the_old_one_ends(
    own: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.stop_servers()
    packages = own.folder / "packages" / "site-packages"
    packages.mkdir(parents=True)
    monkeypatch.setitem(own.environment, "PYTHONPATH", f"{packages}:{PROJECT}")
    own.run("Echo", "old-package")
    [before] = own.servers()
    os.utime(packages, (1, 1))
    assert own.run("Echo", "new-package")[0] == 0
    wait_for(lambda: not before.is_running())
    [after] = own.servers()
    assert after.pid != before.pid
    own.stop_servers()


@LONG
def test_a_server_ends_when_it_has_been_idle(own: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    own.stop_servers()
    monkeypatch.setitem(own.environment, "NIGHTLITE_TEST_IDLE_SECONDS", "1")
    assert own.run("Echo", "idle")[0] == 0
    wait_for(lambda: not own.servers())
    assert own.sockets() == []


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


def files_at_rest(server: psutil.Process) -> int:
    """Return the fewest files that a server has open within a second.

    Every two seconds and at each request, a server reads its own code, a file at a time: it may be outdated.
    """
    counts = []
    for _ in range(50):
        counts.append(server.num_fds())
        time.sleep(0.02)
    return min(counts)


@LONG
def test_two_hundred_nodes_leave_no_zombie_no_socket_and_no_memory(own: Deployment) -> None:
    own.run("Echo", "worn-warm-up", "number=1")
    [server] = own.servers()
    before, files = server.memory_info().rss, files_at_rest(server)
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
    assert files_at_rest(server) == files
    assert len(own.sockets()) == 1
    assert list((own.folder / "var" / "tmp").iterdir()) == []


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


def test_the_reports_executor_is_imported_without_an_op_and_without_the_users_code() -> None:
    code = (
        "import sys, nightlite.ondevice.in_tfx.report.executor; from nightlite.runner.in_tfx.warm import forking; "
        "print(forking.eager_context_touched(), [m for m in sys.modules if m.startswith('models.mnist')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False []"
