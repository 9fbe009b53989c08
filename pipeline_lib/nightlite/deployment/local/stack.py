"""Start and stop the local Airflow: API server, scheduler (LocalExecutor), DAG processor and triggerer, on SQLite.

It replaces `airflow standalone`, which binds two log servers to every network interface on fixed ports. That
command also ends without notifying a running task, and migrates the database at each start. Its health check only
reads job heartbeats, so it misses a dead server.
"""

import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from nightlite import locks
from nightlite.deployment.local import processes
from nightlite.deployment.local.airflow_config import HOST, USER, LocalAirflow
from nightlite.deployment.local.components import (
    Stack,
    is_migrated,
    prepare,
    read_stack,
    start,
    told_digest,
    wait_until_healthy,
)
from nightlite.deployment.local.old_state import refuse_old_state
from nightlite.deployment.local.processes import Component
from nightlite.deployment.setting_check import check_settings
from nightlite.deployment.settings import Settings
from nightlite.errors import StackError
from nightlite.paths import PROJECT

# Longer than the operator's own grace for a stopping node.
TASK_GRACE_SECONDS = 45
GRACE_SECONDS = 8


def local_airflow(settings: Settings, dags_folder: Path = PROJECT / "dags") -> LocalAirflow:
    """Return the local Airflow of these settings, at the port where it runs, else at the configured one."""
    home = settings.var_dir / "airflow"
    stack = read_stack(home)
    running = stack is not None and not stack.dead()
    return LocalAirflow(home, stack.port if stack and running else settings.port, dags_folder)


def is_up(airflow: LocalAirflow) -> bool:
    """Return whether all components of this Airflow run."""
    stack = read_stack(airflow.home)
    return stack is not None and not stack.dead()


def has_its_port(airflow: LocalAirflow) -> bool:
    """Return whether this Airflow itself listens on its port, whichever other components have ended."""
    stack = read_stack(airflow.home)
    return stack is not None and stack.port == airflow.port and "api-server" not in stack.dead()


def up(settings: Settings, dags_folder: Path = PROJECT / "dags", console: Console | None = None) -> LocalAirflow:
    """Start the local Airflow and wait until its components are healthy, which takes 20 to 35 s.

    If it is running already, only say so, and refuse changed settings that a start would refuse. If some components
    have ended, start those. The others and their running tasks go on, unless settings have changed. If the start
    fails or is interrupted, stop everything.

    Raises:
      SettingsError: a variable is unknown or malformed.
      StackError: the state is an older version's, the port is taken, or a DAG file cannot be imported. Or a
        component ended at once (the message has its last log lines), or was not healthy after three minutes.
    """
    console = console or Console()
    check_settings(settings)
    refuse_old_state(settings.var_dir)
    airflow = local_airflow(settings, dags_folder)
    with _locked(airflow.home):
        stack = read_stack(airflow.home)
        if stack and not stack.dead():
            hint = ""
            if _changed(stack, settings):
                with console.status("Airflow: its DAG files with the changed settings"):
                    prepare(airflow, settings, migrate=False)
                hint = "; settings have changed since: 'make down', then 'make up' applies them"
            console.print(f"Airflow is up already: {airflow.url}{hint}", soft_wrap=True)
            return airflow
        kept = _keep_what_works(stack, settings, airflow, console) if stack else ()
        if "api-server" not in {component.name for component in kept}:
            # A killed server is a zombie while its last threads still hold its sockets.
            require_free(airflow.port, patience_seconds=GRACE_SECONDS if stack else 0)
        airflow.write()
        started = time.monotonic()
        with console.status("Airflow: its DAG files and database") as status:
            prepare(airflow, settings, migrate=not is_migrated(airflow))
            status.update("Airflow: starting")
            try:
                wait_until_healthy(airflow, start(airflow, settings, status.update, kept), status.update)
            except BaseException:
                if stack := read_stack(airflow.home):
                    _stop(stack, airflow.home)
                raise
    console.print(f"Airflow is up after {time.monotonic() - started:.0f} s: {airflow.url}")
    console.print(f"Log in as {USER}; password in {airflow.passwords_file}. 'make down' stops it.", soft_wrap=True)
    return airflow


def down(settings: Settings, console: Console | None = None) -> list[str]:
    """Stop everything that `up` started, running tasks included, and print it. Kill what does not end by itself.

    Running tasks are stopped first, while the API server can take their reports. So they end as failed, not as
    zombies. A task that goes on despite SIGTERM, as Python functions do, has 45 s to finish.

    Returns: the names of the stopped components and tasks; empty if nothing ran.
    """
    console = console or Console()
    home = settings.var_dir / "airflow"
    stopped: list[str] = []
    if home.exists():
        with _locked(home), console.status("stopping Airflow"):
            stack = read_stack(home) or Stack(port=settings.port)
            stopped = _stop(stack, home)
    console.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.", soft_wrap=True)
    return stopped


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            home.mkdir(parents=True, exist_ok=True)
            other = held.enter_context(locks.try_file(home / "stack.lock"))
        except OSError as error:
            raise StackError(
                f"expected a folder of this user's for Airflow at {home}. Received: {error.strerror}; "
                "NIGHTLITE_VAR_DIR names another"
            ) from None
        if other:
            raise StackError(
                f"another 'make up', 'make demo' or 'make down' is running ({other}): try again when it is done"
            )
        yield


def require_free(port: int, patience_seconds: float = 0) -> None:
    """Raise StackError if a process listens on the port, and still does after `patience_seconds`."""
    until = time.monotonic() + patience_seconds
    while error := _bind_error(port):
        if time.monotonic() > until:
            taken = f"port {port} of {HOST} is taken by {processes.port_holder(port)}"
            reason = taken if error.errno == errno.EADDRINUSE else f"port {port}: {error.strerror}"
            raise StackError(f"{reason}. Choose another: NIGHTLITE_PORT={port + 1} make demo (or make up)")
        time.sleep(0.1)


def _bind_error(port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error
    return None


def _changed(stack: Stack, settings: Settings) -> bool:
    return (stack.port, stack.told) != (settings.port, told_digest(settings))


def _keep_what_works(
    stack: Stack, settings: Settings, airflow: LocalAirflow, console: Console
) -> tuple[Component, ...]:
    """Return the components that may keep running beside new ones. Stop the leftovers of the others."""
    kept = tuple(component for component in stack.components if component.process())
    ended = f"Airflow is half up ({', '.join(stack.dead())} ended)"
    changed = _changed(stack, settings)
    if not kept or changed or not is_migrated(airflow):
        if processes.alive(stack.components, airflow.home):
            settings_too = ", with the settings of now" if changed else ""
            console.print(f"{ended}: starting it again{settings_too}")
            _stop(stack, airflow.home)
        return ()
    console.print(f"{ended}: starting what has ended; the rest runs on")
    left = [component for component in stack.components if component not in kept]
    # A scheduler's workers outlive it and would run tasks beside the next scheduler's second try.
    processes.end_what_is_left_of(left, task_grace_seconds(stack), GRACE_SECONDS)
    return kept


def task_grace_seconds(stack: Stack) -> float:
    """Return the time from SIGTERM to SIGKILL for running tasks."""
    # Without an API server tasks cannot report, and waiting ones ignore SIGTERM.
    return GRACE_SECONDS if "api-server" in stack.dead() else TASK_GRACE_SECONDS


def _stop(stack: Stack, home: Path) -> list[str]:
    before = processes.alive(stack.components, home)
    if not before:
        (home / "stack.json").unlink(missing_ok=True)
        return []
    names = [component.name for component in stack.components if component.process()]
    tasks = processes.running_tasks(stack.components)
    scheduler = [p for c in stack.components if c.name == "scheduler" and (p := c.process())]
    # Stop the scheduler first, so that no task starts or retries. It waits for running tasks.
    processes.terminate([*scheduler, *tasks], task_grace_seconds(stack) if tasks else GRACE_SECONDS)
    processes.terminate(processes.alive(stack.components, home), GRACE_SECONDS)
    # Looked up again: a process that ended late may have left children.
    processes.kill(processes.alive(stack.components, home))
    (home / "stack.json").unlink(missing_ok=True)
    others = len(before) - len(names)
    tasks_ended = f"{len(tasks)} running task{'s' * (len(tasks) > 1)}"
    return [
        *names,
        *([tasks_ended] if tasks else []),
        *([f"{others} process{'es' * (others > 1)} of theirs"] if others else []),
    ]
