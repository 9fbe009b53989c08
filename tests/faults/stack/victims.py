"""Whom a SIGKILL strikes, and where its processes are at this moment."""

import contextlib
from pathlib import Path

import psutil

from nightlite.deployment.local import processes as stack_processes
from nightlite.deployment.local.components import Stack, read_stack

# Those of a node are there only while one runs.
NODE_KINDS = ("child", "runtime", "task")
COMPONENTS = ("scheduler", "api-server", "dag-processor")
STACK = "stack"
KINDS = ("child", "runtime", "task", *COMPONENTS, STACK)


def processes_of(victim: str, home: Path) -> list[psutil.Process]:
    """Return the processes that the victim names, as far as they run now."""
    stack = read_stack(home)
    assert stack, "there is no Airflow"
    if victim == STACK:
        return stack_processes.alive(stack.components, home)
    if victim in COMPONENTS:
        [component] = [item for item in stack.components if item.name == victim]
        return [process] if (process := component.process()) else []
    return _of_a_node(victim, home, stack)


def _of_a_node(victim: str, home: Path, stack: Stack) -> list[psutil.Process]:
    if victim in ("task", "supervisor"):
        tasks = stack_processes.running_tasks(stack.components)
        if victim == "task":
            return tasks
        with contextlib.suppress(psutil.Error):
            return [parent for task in tasks if (parent := task.parent())]
        return []
    servers = stack_processes.warm_servers(home.parent)
    children: dict[int, psutil.Process] = {}
    for server in servers:
        with contextlib.suppress(psutil.Error):
            children.update({child.pid: child for child in server.children(recursive=True)})
    return list(children.values()) if victim == "child" else [item for item in servers if item.pid not in children]


def kill(processes: list[psutil.Process]) -> int:
    """SIGKILL them, and wait until they are gone; returns how many there were."""
    there = [process for process in processes if process.is_running()]
    stack_processes.kill(there)
    return len(there)
