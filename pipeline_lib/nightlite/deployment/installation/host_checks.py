"""Checks of this host: disk, both Pythons, glibc, clock."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil

from nightlite.deployment.installation.check import Check, failed, ok, warning
from nightlite.paths import HOW_TO_SET_UP

FULL_BYTES, LOW_BYTES = 1e9, 5e9
PYTHONS = ((3, 11), (3, 14))
_GLIBC = (2, 38)
_SECONDS = 5
# A file of the future by more than this means that the clock was set back.
_CLOCK_SECONDS = 300


def disk(folder: Path) -> Check:
    """Check the space under the state folder, or under its nearest parent that exists."""
    while not folder.exists():
        folder = folder.parent
    usage = psutil.disk_usage(str(folder))
    found = f"{usage.free / 1e9:.1f} GB free under {folder}"
    to_do = "free some space: 'nightlite models prune', NIGHTLITE_KEEP_ARTIFACT_RUNS, or another NIGHTLITE_VAR_DIR"
    if usage.free < FULL_BYTES:
        return failed("disk", found, to_do)
    return warning("disk", found, to_do) if usage.free < LOW_BYTES else ok("disk", found)


def pythons(tfx_python: Path) -> Iterator[Check]:
    """Check this interpreter, the TFX environment's, and the C library that TFX's wheels find there."""
    version = sys.version_info[:2]
    found = f"{platform.python_version()} at {sys.executable}"
    if PYTHONS[0] <= version < PYTHONS[1]:
        yield ok("Python", found)
    else:
        yield failed("Python", found, f"install Python 3.11, 3.12 or 3.13 and {HOW_TO_SET_UP}")
    try:
        told = _told(tfx_python)
    except FileNotFoundError:
        yield failed("TFX environment", f"none at {tfx_python}", f"{HOW_TO_SET_UP}, or set NIGHTLITE_TFX_PYTHON")
        yield glibc(*platform.libc_ver())
        return
    except (OSError, subprocess.SubprocessError) as error:
        yield failed("TFX environment", f"{tfx_python}: {error}", f"remove it and {HOW_TO_SET_UP}")
        return
    yield ok("TFX environment", f"Python {told[0]} at {tfx_python}")
    yield glibc(*told[1:])


def _told(python: Path) -> list[str]:
    """Return the version of an interpreter, then name and version of its C library if there is one."""
    program = "import os, platform; print(platform.python_version(), os.confstr('CS_GNU_LIBC_VERSION') or '')"
    command = [str(python), "-IS", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout.split()


def glibc(kind: str = "", version: str = "") -> Check:
    """Check the C library that the TFX environment runs on, or this host's as long as there is no such environment."""
    if kind != "glibc":
        return ok("glibc", "not used on this system")
    if tuple(map(int, version.split(".")[:2])) >= _GLIBC:
        return ok("glibc", version)
    return failed("glibc", f"{version}, and TFX needs 2.38", f"{HOW_TO_SET_UP}: on Debian 12 it adds a newer one")


def clock(var_dir: Path, now: datetime | None = None) -> Check:
    """Check that no file of the state is of the future, as after a clock was set back."""
    present = now or datetime.now(UTC)
    files = [file for file in (*var_dir.glob("*"), *var_dir.glob("*/*")) if file.exists()]
    newest = max((file.stat().st_mtime for file in files), default=0)
    found = f"{present:%Y-%m-%d %H:%M} UTC"
    if newest > present.timestamp() + _CLOCK_SECONDS:
        later = datetime.fromtimestamp(newest, UTC)
        return failed(
            "clock", f"{found}, and files under {var_dir} are of {later:%Y-%m-%d %H:%M}", "set this host's clock"
        )
    return ok("clock", found)
