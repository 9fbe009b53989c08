"""CPU seconds of the commands that people type, each in turn with the plain way to the same answer."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightlite.deployment.local import processes
from nightlite.deployment.local.components import settings_environment
from nightlite.deployment.settings import Settings
from nightlite.errors import NightliteError
from nightlite.paths import PROJECT, SOURCES

_LAST_CHARACTERS = 600


@dataclass(frozen=True)
class Command:
    """A command line, the exit code that it must end with, and variables beside those of the settings."""

    arguments: Sequence[str]
    exit_code: int = 0
    environment: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return " ".join([Path(self.arguments[0]).name, *self.arguments[1:]])


def nightlite(*arguments: str, exit_code: int = 0) -> Command:
    """Return the command `nightlite` of this environment."""
    return Command([str(Path(sys.executable).with_name("nightlite")), *arguments], exit_code)


def airflow(home: Path, *arguments: str, exit_code: int = 0) -> Command:
    """Return Airflow's own command, for the Airflow of that home."""
    environment = {"AIRFLOW_HOME": str(home), "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
    return Command([str(Path(sys.executable).with_name("airflow")), *arguments], exit_code, environment)


def compiler(settings: Settings) -> Command:
    """Return what `make compile` runs once the environments are there."""
    module = "nightlite.deployment.in_tfx.compile"
    return Command([str(settings.tfx_python), "-m", module], environment={"PYTHONPATH": str(SOURCES)})


def cpu_seconds(settings: Settings, command: Command) -> float:
    """Run a command. Return the user and system seconds of its process and its children, a warm server's included.

    Raises:
      NightliteError: it ended with another exit code. The end of its output is in the message.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = kept | settings_environment(settings) | dict(command.environment or {})
    log = settings.var_dir / "command.log"
    with log.open("wb") as output:
        before = _of_warm_children(settings)
        process = subprocess.Popen(
            command.arguments, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for, and Popen need not
    if process.returncode != command.exit_code:
        said = log.read_text(encoding="utf-8", errors="replace")[-_LAST_CHARACTERS:]
        expected = f"expected exit code {command.exit_code} of {command}"
        raise NightliteError(f"{expected}. Received: {process.returncode}: {said}")
    return usage.ru_utime + usage.ru_stime + _of_warm_children(settings) - before


def _of_warm_children(settings: Settings) -> float:
    """Return the CPU seconds of all children that the warm servers have had."""
    times = [server.cpu_times() for server in processes.warm_servers(settings.var_dir)]
    return sum(time.children_user + time.children_system for time in times)
