"""Processes of the local Airflow: found after a restart of ours, told apart from others, and stopped completely.

A component is known by its pid and start time, because a pid alone may be reused. Its descendants are found in
three ways, since each of them misses some:
- descendants (missed once their parent is gone);
- members of a component's session (missed after setsid, as task processes' children call it);
- processes with our mark in their environment (missed where setproctitle overwrote it, as in Airflow's workers).
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

MARK = "NIGHTLITE_STACK"


# A system's clock ticks a hundred times a second.
_SAME_SECONDS = 0.05


class Component(BaseModel):
    """One Airflow component, leader of its own session. `started` is in seconds after the system's start."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs and its pid was not reused."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if self._is(process) and _runs(process):
                return process
        return None

    def _is(self, process: psutil.Process) -> bool:
        return abs(started(process) - self.started) < _SAME_SECONDS

    def is_succeeded_by_stranger(self) -> bool:
        """Return whether another process has its pid. A zombie keeps its pid."""
        with contextlib.suppress(psutil.Error):
            return not self._is(psutil.Process(self.pid))
        return False


def started(process: psutil.Process) -> float:
    """Return a process's start in seconds after boot.

    Changes of the clock do not affect it: on Linux both values move.
    """
    return float(process.create_time() - psutil.boot_time())


def alive(components: Iterable[Component], home: Path) -> list[psutil.Process]:
    """Return the running processes of the Airflow of `home`, its deployment's nodes included.

    This process and its parents are left out.
    """
    components = list(components)
    sessions = _sessions(components)
    leaders = {component.pid for component in components if component.process()}

    def ours(process: psutil.Process) -> bool:
        started_here = process.pid in leaders or _in_session(process, sessions) or _marked(process, home)
        return (started_here or _warm_server(process, home.parent)) and _runs(process)

    found = _with_children(_all_that(ours))
    for pid in (os.getpid(), *(parent.pid for parent in psutil.Process().parents())):
        found.pop(pid, None)
    return list(found.values())


def _all_that(is_wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if is_wanted(process):
                found.append(process)
    return found


def _with_children(processes: Iterable[psutil.Process]) -> dict[int, psutil.Process]:
    found = {process.pid: process for process in processes}
    for process in list(found.values()):
        with contextlib.suppress(psutil.Error):
            found.update({child.pid: child for child in process.children(recursive=True)})
    return found


def _sessions(components: Iterable[Component]) -> set[int]:
    return {component.pid for component in components if not component.is_succeeded_by_stranger()}


def _in_session(process: psutil.Process, sessions: set[int]) -> bool:
    # The system never reuses the id of a session that has members.
    return bool(os.getsid(process.pid) in sessions and process.uids().real == os.getuid())


def _marked(process: psutil.Process, home: Path) -> bool:
    return bool(process.uids().real == os.getuid() and process.environ().get(MARK) == str(home))


def _warm_server(process: psutil.Process, var_dir: Path) -> bool:
    # A server started by hand (run_node) has neither our session nor our mark.
    command = process.cmdline()
    return "nightlite.runner.in_tfx.warm.server" in command and str(var_dir) in command


def warm_servers(var_dir: Path) -> list[psutil.Process]:
    """Return the warm servers of that state folder and the nodes that they forked. A child keeps the command line."""
    return _all_that(lambda process: _warm_server(process, var_dir))


def running_tasks(components: Iterable[Component]) -> list[psutil.Process]:
    """Return the task processes: children of the LocalExecutor's workers, which may outlive the scheduler.

    A task's own children are not among them: it answers for them, and may need them to finish.
    """
    tasks: list[psutil.Process] = []
    for component in components:
        if component.name == "scheduler":
            members = {process.pid: process for process in members_of_sessions([component])}
            members.pop(component.pid, None)
            for process in members.values():
                with contextlib.suppress(psutil.Error):
                    worker = members.get(process.ppid())
                    # The scheduler's children are the workers. They have no other parent in the session.
                    if worker and worker.ppid() not in members:
                        tasks.append(process)
    return tasks


def members_of_sessions(components: Iterable[Component]) -> list[psutil.Process]:
    """Return the processes in the sessions of these components, including the components themselves."""
    sessions = _sessions(components)
    return _all_that(lambda process: _in_session(process, sessions) and _runs(process))


def end_what_is_left_of(components: Iterable[Component], task_grace_seconds: float, grace_seconds: float) -> None:
    """Stop the processes left by components that have ended.

    Tasks come first, because they may still report to Airflow.
    """
    components = list(components)
    members = members_of_sessions(components)
    nodes = _with_children(members)
    terminate(running_tasks(components), task_grace_seconds)
    # An executor's worker ignores SIGTERM.
    kill({*members, *members_of_sessions(components)})
    kill(terminate(nodes.values(), grace_seconds))


def terminate(processes: Iterable[psutil.Process], grace_seconds: float) -> list[psutil.Process]:
    """Send SIGTERM and wait until the processes end. Return those still running after `grace_seconds`."""
    left = list(processes)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    return _wait(left, grace_seconds)


def kill(processes: Iterable[psutil.Process]) -> None:
    """Send SIGKILL and wait until the processes end."""
    left = list(processes)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _wait(left, seconds=5)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    # psutil.wait_procs also waits for zombies, which a container's init may reap late.
    until = time.monotonic() + seconds
    while (left := [process for process in processes if _runs(process)]) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def port_holder(port: int) -> str:
    """Return the process that listens on this TCP port, such as "python (pid 12)", or "another process" if unknown."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"
