"""Checks of Airflow: its port, its answer, its DAGs' import errors, the warm servers and the locks."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from nightlite.deployment.client.access import LOCAL_HOST, Access, find_access
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.installation.check import Check, failed, ok, warning
from nightlite.deployment.local.processes import port_holder, warm_servers
from nightlite.deployment.settings import Settings
from nightlite.errors import NightliteError
from nightlite.paths import HOW_TO_START

_SECONDS = 3
_COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def airflow(config: Settings) -> Iterator[Check]:
    """Check the port, Airflow's health, and its DAGs' import errors if it answers."""
    try:
        access = find_access(config)
    except NightliteError as error:
        yield failed("Airflow", str(error), "correct that, then ask again")
        return
    if access is None or not access.is_remote:
        yield port(config, access)
    if access is None:
        yield warning("Airflow", "was never started here", f"{HOW_TO_START} starts it")
        return
    try:
        health = httpx.get(
            f"{access.url}/api/v2/monitor/health", timeout=_SECONDS, trust_env=access.is_remote
        ).raise_for_status()
        told = health.json()
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        reason = str(error) or type(error).__name__
        yield warning("Airflow", f"does not answer at {access.url}: {reason}", f"{HOW_TO_START} starts it")
        yield warning("DAGs", "not known, since Airflow does not answer", f"{HOW_TO_START} checks them, too")
        return
    yield _healthy(access, told)
    yield dags(access)


def _healthy(access: Access, told: dict[str, dict[str, str]]) -> Check:
    states = {name: (told.get(name) or {}).get("status") for name in _COMPONENTS}
    ill = [name for name, state in states.items() if state != "healthy"]
    if ill:
        return failed(
            "Airflow", f"{access.url}: not healthy: {', '.join(ill)}", f"{HOW_TO_START} starts what has ended"
        )
    return ok("Airflow", f"{access.url}, all components healthy")


def dags(access: Access) -> Check:
    """Check that Airflow could import every DAG file."""
    try:
        with AirflowRest(access) as rest:
            errors = rest.import_errors()
    except NightliteError as error:
        return warning("DAGs", f"not known: {error}", "ask as a user who may read import errors")
    if errors:
        return failed("DAGs", "; ".join(errors), "mend them; Airflow reads the files again within a minute")
    return ok("DAGs", "no import error")


def port(config: Settings, access: Access | None) -> Check:
    """Check that the local Airflow's port is free, or that an Airflow of ours holds it."""
    number = int(access.url.rpartition(":")[2]) if access else config.port
    with socket.socket() as probe:
        probe.settimeout(_SECONDS)
        if probe.connect_ex((LOCAL_HOST, number)):
            return ok("port", f"{number} of {LOCAL_HOST} is free")
    if _is_ours(config, number):
        return ok("port", f"{number} of {LOCAL_HOST}, this Airflow's")
    return failed(
        "port",
        f"{number} of {LOCAL_HOST} is taken by {port_holder(number)}",
        f"end that, or NIGHTLITE_PORT={number + 1} in settings.env",
    )


def _is_ours(config: Settings, number: int) -> bool:
    """Return whether a component that the last start recorded is alive, on that port."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        stack = json.loads((config.var_dir / "airflow" / "stack.json").read_text(encoding="utf-8"))
        return stack["port"] == number and any(psutil.pid_exists(item["pid"]) for item in stack["components"])
    return False


def warm_server(config: Settings, folder: Path) -> Check:
    """Check the warm servers: one runs, or the next node starts it. One that does not answer is worth a look."""
    name = "warm server"
    if config.runtime == "cold":
        return ok(name, "not used: NIGHTLITE_RUNTIME=cold")
    sockets = sorted(folder.glob("*.sock"))
    deaf = [path for path in sockets if not _answers(path) and _is_held(path.with_suffix(".lock"))]
    if deaf:
        return failed(name, f"{deaf[0]} does not answer", "'make down' ends it; the next node starts another")
    running = warm_servers(folder.parent)
    alive = [path for path in sockets if _answers(path)]
    if not alive:
        return ok(name, "none runs; the next node starts one")
    memory = sum(process.memory_info().rss for process in running if psutil.pid_exists(process.pid))
    return ok(name, f"{len(alive)} of this code or older, {len(running)} processes, {memory / 1e6:,.0f} MB")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def locks(var_dir: Path, hours: float = 6) -> Check:
    """Check for locks that a process holds for hours. A lock that nobody holds is no lock, and its file may stay."""
    now, held = time.time(), []
    for path in (*var_dir.glob("*/.lock"), *var_dir.glob("*/*/.lock")):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > hours * 3600 and _is_held(path):
                held.append(f"{path} by {path.read_text(errors='replace') or 'a process'}")
    if held:
        return warning("locks", f"held for over {hours:g} hours: {'; '.join(held)}", "look at that process, or end it")
    return ok("locks", "none is stale")


def _is_held(path: Path) -> bool:
    """Return whether a process holds a lock. It is asked for a shared one, which it gets only if none does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
