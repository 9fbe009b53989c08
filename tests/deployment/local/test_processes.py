"""`make up` before and beside a running Airflow: its configuration, its processes, its port."""

import configparser
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from nightlite.deployment.local import processes, stack
from nightlite.deployment.local.airflow_config import LocalAirflow
from nightlite.deployment.local.components import Stack
from nightlite.errors import StackError
from tests.waiting import wait_until


def test_how_long_airflow_waits_for_the_dead_is_short_and_the_operators_to_say(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[scheduler]\norphaned_tasks_check_interval = 7\n")
    LocalAirflow(tmp_path, 1, tmp_path).write()
    config = configparser.RawConfigParser()
    config.read(tmp_path / "airflow.cfg")
    assert config["scheduler"]["orphaned_tasks_check_interval"] == "7"
    assert config["scheduler"]["task_instance_heartbeat_timeout"] == "60"


def test_a_stale_pid_is_no_component() -> None:
    me = psutil.Process()
    then = processes.started(me)
    assert processes.Component(name="scheduler", pid=me.pid, started=then - 100).process() is None
    assert processes.Component(name="scheduler", pid=me.pid, started=then).process() is not None


@pytest.mark.skipif(not psutil.LINUX, reason="NOT TESTED: only Linux keeps the time since its start")
def test_a_component_is_known_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `make down` would take Airflow for a stranger. Linux tells when it was started, by today's clock."""
    me = psutil.Process()
    component = processes.Component(name="scheduler", pid=me.pid, started=processes.started(me))
    right = psutil.boot_time()
    for module in (psutil, psutil._pslinux):
        monkeypatch.setattr(module, "boot_time", lambda: right - 3600)
    assert component.process() is not None


def test_a_taken_port_is_named_with_its_holder_and_may_be_waited_for() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(
            StackError,
            match=rf"port {port} .* is taken by .*\(pid {psutil.Process().pid}\)\. .*NIGHTLITE_PORT={port + 1} ",
        ):
            stack.require_free(port)
        threading.Timer(0.5, server.close).start()
        stack.require_free(port, patience_seconds=60)


def test_a_task_is_given_time_only_while_a_server_takes_its_report() -> None:
    me = psutil.Process()
    server = processes.Component(name="api-server", pid=me.pid, started=processes.started(me))
    gone = server.model_copy(update={"started": server.started - 100})
    times = [stack.task_grace_seconds(Stack(port=1, components=(item,))) for item in (server, gone)]
    assert times == [stack.TASK_GRACE_SECONDS, stack.GRACE_SECONDS]


# The scheduler, a worker, its task, and a command that the task has called, each the parent of the next.
FAMILY = "import subprocess, sys; argv = sys.argv[1:]; print(len(argv), flush=True); subprocess.run(argv)"


def test_a_scheduler_s_tasks_are_its_workers_children_and_not_what_these_call() -> None:
    python = [sys.executable, "-c", FAMILY]
    command = [*python * 3, "sleep", "987653"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as scheduler:
        try:
            assert scheduler.stdout and [scheduler.stdout.readline() for _ in range(3)]
            leader = psutil.Process(scheduler.pid)
            wait_until("the command", lambda: len(leader.children(recursive=True)) == 3, seconds=30)
            component = processes.Component(name="scheduler", pid=leader.pid, started=processes.started(leader))
            family = leader.children(recursive=True)
            [task] = [item for item in family if item.children() and item.parent() != leader]
            assert processes.running_tasks([component]) == [task]
            leader.kill()
            scheduler.wait()
            assert processes.running_tasks([component]) == [task]
        finally:
            processes.kill(family)
