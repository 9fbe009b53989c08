"""The warm server as an operator meets it: killed, stopped, deaf nodes, and asked by another user."""

import fcntl
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.run_nodes import Deployment, alive, until_asleep, wait_for


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root can ask as someone else")
def test_another_user_is_refused(own: Deployment) -> None:
    own.run("Echo", "other-user")
    [path] = own.sockets()
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
    [path], [server] = own.sockets(), own.servers()
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
    first = own.start("Echo", "orphan-1", "word=orphan 1")
    wait_for(lambda: own.servers())
    [server] = own.servers()
    first.kill()
    first.communicate()
    assert not own.sockets(), "it was killed too late"
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
