"""Components of the local Airflow: their processes are started one by one and watched until each is healthy."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import httpx
import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from nightlite.deployment.dag_check import refuse_broken_dags
from nightlite.deployment.in_airflow.watchdog.settings import PREFIX as WATCHDOG_PREFIX
from nightlite.deployment.local.airflow_config import HOST, LocalAirflow, write_private
from nightlite.deployment.local.processes import MARK, Component, started
from nightlite.deployment.models import all_models
from nightlite.deployment.setting_check import model_variables
from nightlite.deployment.settings import Settings
from nightlite.errors import StackError
from nightlite.ondevice.in_airflow.notice.settings import PREFIX as NOTIFY_PREFIX
from nightlite.paths import PROJECT, SOURCES

START_SECONDS = 180
_LOG_LINES = 15


# In the order of their start. Logs are read from the disk that all share, so no log servers are needed.
COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
}


class Stack(BaseModel):
    """Record of the last start, written to `<var_dir>/airflow/stack.json` as each component starts."""

    model_config = ConfigDict(frozen=True)

    port: int
    told: str = ""
    components: tuple[Component, ...] = ()

    def dead(self) -> list[str]:
        running = {component.name for component in self.components if component.process()}
        return [name for name in COMPONENTS if name not in running]


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables, as the components and their tasks read them."""
    values = settings.model_dump(exclude={"port"}, exclude_none=True)
    return {f"NIGHTLITE_{name.upper()}": _variable(value) for name, value in values.items()}


def _variable(value: object) -> str:
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def told_digest(settings: Settings) -> str:
    """Return a digest of settings, models' settings and notice settings. It keeps none of their secrets."""
    own = {name for model in all_models().values() for name in model_variables(model)}
    prefixes = (NOTIFY_PREFIX, WATCHDOG_PREFIX)
    told = {name: value for name, value in os.environ.items() if name.startswith(prefixes) or name in own}
    return hashlib.sha256(json.dumps(told | settings_environment(settings), sort_keys=True).encode()).hexdigest()


def airflow_environment(airflow: LocalAirflow) -> dict[str, str]:
    # Variables of this user's other Airflow would override our airflow.cfg and migrate its database.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    # Tasks call the API server too, and no proxy leads back to this machine.
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), HOST, "localhost")))
    return kept | {
        "NO_PROXY": direct,
        "no_proxy": direct,
        "AIRFLOW_HOME": str(airflow.home),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(SOURCES), os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        MARK: str(airflow.home),
    }


def is_migrated(airflow: LocalAirflow) -> bool:
    """Return whether the database exists in the form of the installed Airflow."""
    done = _migrated_to(airflow)
    there = (airflow.home / "airflow.db").exists() and done.exists()
    return there and done.read_text(encoding="utf-8") == version("apache-airflow-core")


def _migrated_to(airflow: LocalAirflow) -> Path:
    return airflow.home / "migrated-to"


def prepare(airflow: LocalAirflow, settings: Settings, *, migrate: bool) -> None:
    """Parse the DAG files, then create or migrate the database if asked to. Starts nothing of Airflow.

    Raises:
      StackError: a DAG file cannot be imported, or the database cannot be migrated.
    """
    log, found = airflow.log_folder / "prepare.log", airflow.home / "dag-errors.json"
    command = [sys.executable, "-m", "nightlite.deployment.dag_check"]
    with open(log, "wb") as output:
        code = subprocess.call(
            [*command, airflow.dags_folder, found, *(["--migrate"] if migrate else [])],
            env=airflow_environment(airflow) | settings_environment(settings),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if found.exists():
        errors = json.loads(found.read_text(encoding="utf-8"))
        found.unlink()
        refuse_broken_dags(errors)
    if code:
        raise StackError(f"Airflow's database could not be made or migrated (exit code {code}).{_tail(log)}")
    if migrate:
        write_private(_migrated_to(airflow), version("apache-airflow-core"))


def start(
    airflow: LocalAirflow, settings: Settings, say: Callable[[str], None], kept: tuple[Component, ...] = ()
) -> dict[str, subprocess.Popen[bytes]]:
    """Start every component except the `kept` ones, which are running. The scheduler waits for the API server.

    A task that the last stop ended is retried at once. It would fail again without an API server.

    Raises:
      StackError: the API server does not start.
    """
    processes: dict[str, subprocess.Popen[bytes]] = {}
    stack = Stack(port=airflow.port, told=told_digest(settings), components=kept)
    for name in stack.dead():
        if name == "scheduler" and "api-server" in processes:
            wait_until_healthy(airflow, processes, say, ("api-server",))
        with open(airflow.log_folder / f"{name}.log", "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMPONENTS[name]],
                env=airflow_environment(airflow) | settings_environment(settings),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        processes[name] = process
        component = Component(name=name, pid=process.pid, started=started(psutil.Process(process.pid)))
        stack = stack.model_copy(update={"components": (*stack.components, component)})
        write_private(airflow.home / "stack.json", stack.model_dump_json(indent=1))
    return processes


def wait_until_healthy(
    airflow: LocalAirflow,
    processes: dict[str, subprocess.Popen[bytes]],
    say: Callable[[str], None],
    wanted: Collection[str] | None = None,
) -> None:
    """Wait until the `wanted` of these processes are healthy, or all of them.

    Raises:
      StackError: one has ended, or it takes too long.
    """
    began, by_the_clock = time.monotonic(), time.time()
    missing = set(processes if wanted is None else wanted)
    while missing:
        for name, process in processes.items():
            if process.poll() is not None:
                log = airflow.log_folder / f"{name}.log"
                raise StackError(f"Airflow's {name} ended at once (exit code {process.returncode}).{_tail(log)}")
        if time.monotonic() - began > START_SECONDS:
            log = airflow.log_folder / f"{sorted(missing)[0]}.log"
            raise StackError(
                f"Airflow's {', '.join(sorted(missing))} did not start within {START_SECONDS} s.{_tail(log)}"
            )
        time.sleep(0.2)
        missing -= healthy_components(airflow.url, since=by_the_clock)
        say(f"Airflow: starting, waiting for {', '.join(sorted(missing))} ({time.monotonic() - began:.0f} s)")


def healthy_components(url: str, since: float) -> set[str]:
    """Return the healthy components. A heartbeat from before `since` is a predecessor's, killed less than 30 s ago."""
    try:
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=5, trust_env=False).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return set()
    working = {"api-server"}
    for key in ("scheduler", "dag_processor", "triggerer"):
        heartbeat = (health.get(key) or {}).get(f"latest_{key}_heartbeat")
        if heartbeat and datetime.fromisoformat(heartbeat).timestamp() > since:
            working.add(key.replace("_", "-"))
    return working


def read_stack(home: Path) -> Stack | None:
    try:
        return Stack.model_validate_json((home / "stack.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-_LOG_LINES:]
    return "\n".join((f" The end of {log}:", *(f"  {line}" for line in lines)))
