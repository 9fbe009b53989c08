"""Run a program of the TFX environment and read its JSON result. They communicate by argv, files and exit codes."""

import json
import os
import subprocess
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peak_memory import PeakMemory
from nightlite.deployment.local.components import settings_environment
from nightlite.deployment.settings import Settings
from nightlite.errors import NightliteError
from nightlite.paths import PROJECT, SOURCES

_LAST_LINES = 15


@dataclass(frozen=True)
class Answer:
    """The contents of a program's `--result` file, and the peak memory of its largest process in MiB."""

    values: dict[str, Any]
    peak_mebibytes: float


def ask(settings: Settings, module: str, *arguments: str) -> Answer:
    """Run `python -m MODULE ARGUMENTS --result FILE` in the TFX environment.

    Raises:
      NightliteError: it failed. Its last lines are in the message.
    """
    with tempfile.TemporaryDirectory(dir=settings.var_dir) as folder:
        result = Path(folder, "result.json")
        peak = run(settings, module, *arguments, "--result", str(result), temporary=folder)
        return Answer(json.loads(result.read_text(encoding="utf-8")), peak)


def run(settings: Settings, module: str, *arguments: str, temporary: str | None = None) -> float:
    """Run `python -m MODULE ARGUMENTS` in the TFX environment. Return its peak memory in MiB.

    Raises:
      NightliteError: it failed. Its last lines are in the message.
    """
    environment = {**os.environ, **settings_environment(settings), "PYTHONPATH": str(SOURCES)}
    if temporary:
        environment["TMPDIR"] = temporary  # Beam leaves files behind
    with (settings.var_dir / f"{module}.log").open("w+", encoding="utf-8", errors="replace") as log:
        command = [str(settings.tfx_python), "-m", module, *arguments]
        try:
            process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        except OSError as error:
            raise NightliteError(
                f"expected the TFX environment's Python at {settings.tfx_python}. "
                f"Received: {error.strerror}. Run 'make setup'"
            ) from None
        try:
            with PeakMemory([process.pid]) as peak:
                code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code:
            log.seek(0)
            last = "".join(f"\n  {line.rstrip()}" for line in deque(log, _LAST_LINES))
            raise NightliteError(f"{module} failed with exit code {code}; its last lines:{last}")
    return peak.mebibytes
