"""Machine line, which every figure needs for its interpretation."""

import os
import platform
import subprocess
from datetime import UTC, datetime

import psutil

from nightlite.paths import PROJECT


def machine() -> str:
    """Return cores, memory, load, date and git revision, in one line."""
    gibibytes = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {gibibytes:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, revision {_revision()}"
    )


def _revision() -> str:
    """Return `git describe`, with -dirty for a changed work tree, or "unknown" without git."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
