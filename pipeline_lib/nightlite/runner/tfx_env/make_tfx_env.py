"""Maker of the TFX environment of a wheel that is installed beside Airflow."""

import os
import tempfile
from pathlib import Path

from nightlite.runner.tfx_env import own_wheel
from nightlite.runner.tfx_env.environment import MARKER, Environment, is_up_to_date, make, one_at_a_time
from nightlite.runner.tfx_env.host import (
    SetupError,
    check_compiler,
    check_disk,
    check_headers,
    needs_newer_glibc,
    say,
)
from nightlite.runner.tfx_env.tools import Tools

LOCK = Path(__file__).with_name("requirements-tfx.txt")
_DISK_GB = 5


def make_tfx_env(folder: Path) -> Path:
    """Make or update the TFX environment in a folder of its own.

    Returns:
      Its interpreter.

    Raises:
      SetupError: this host lacks something, a step failed, or the folder holds something else.
    """
    folder = Path(os.path.abspath(folder))
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise SetupError(
            f"expected a new or empty folder, or one that this command made. Received: {folder}, which holds other "
            "files. Name another folder",
            2,
        )
    environment = Environment(folder, LOCK, _DISK_GB, folder / "glibc", own_wheel.digest())
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder / MARKER):
        if is_up_to_date(environment):
            say(f"{folder} is up to date")
            return environment.python
        newer_glibc = needs_newer_glibc()
        check_disk(folder, environment.disk_gb)
        check_compiler()
        check_headers()
        with tempfile.TemporaryDirectory(prefix="nightlite-tools-") as temporary:
            tools = Tools(Path(temporary, "tools"))
            uv, patchelf = tools.uv(), tools.folder() if newer_glibc else None
            make(environment, uv, patchelf, own_wheel.own(Path(temporary)))
    return environment.python
