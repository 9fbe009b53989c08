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
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightlite.runner.tfx_env.host import BASH, COMMAND, NEWER_GLIBC, SetupError, say

Command = Sequence[str | Path]
MARKER = ".made-by-nightlite"  # also the lock of a folder that holds an environment
_STILL_SECONDS = 10
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


def make(environment: Environment, uv: Path, patchelf: Path | None, own: Command) -> None:
    """Make or update an environment.

    Args:
      patchelf: the folder of patchelf, if the environment gets a newer glibc.
      own: what uv installs besides the lock, as arguments of `uv pip install --no-deps`.

    Raises:
      SetupError: a step failed.
    """
    count = sum("==" in line for line in environment.lock.read_text(encoding="utf-8").splitlines())
    installing = f"{environment.folder}: installing the {count} packages of {environment.lock.name}"
    say(installing)
    if not is_usable(environment):
        _create(environment, uv, copies=bool(patchelf))
    environment.stamp.unlink(missing_ok=True)
    if patchelf:
        path = f"{patchelf}{os.pathsep}{os.environ['PATH']}"
        script: Command = [BASH, NEWER_GLIBC, environment.folder, environment.glibc]
        # The script itself prints the reason of a failure.
        run(script, "", "adding a newer glibc", env={**os.environ, "PATH": path})
    target: Command = ["--python", environment.python]
    lock = environment.lock
    # The lock also pins setuptools, which builds the few source distributions.
    sync: Command = [uv, "pip", "sync", "--require-hashes", "--quiet", "--build-constraints", lock, *target, lock]
    run(sync, f"uv cannot install {lock.name}", installing)
    if own:
        run([uv, "pip", "install", "--quiet", "--no-deps", *target, *own], "uv cannot install the project")
    finish(environment)


def _create(environment: Environment, uv: Path, *, copies: bool) -> None:
    environment.folder.mkdir(parents=True, exist_ok=True)
    for item in environment.folder.iterdir():
        if item.name != MARKER and item != environment.glibc:
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
    if copies:  # uv makes links only, and a linked python cannot have another glibc than the host's
        command: Command = [sys.executable, "-m", "venv", "--copies", "--without-pip", environment.folder]
    else:
        options = ("--quiet", "--no-project", "--allow-existing")
        command = [uv, "venv", *options, "--python", sys.executable, environment.folder]
    run(command, f"{environment.folder} cannot be made")


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


def run(command: Command, failure: str, doing: str = "", env: dict[str, str] | None = None) -> None:
    """Run a command with its output on the terminal. If it fails, print `failure` after it.

    Args:
      doing: what to say while it runs, again and again.

    Raises:
      SetupError: it failed.
    """
    started = time.monotonic()
    with subprocess.Popen(command, env=env, close_fds=False) as process:
        while True:
            try:
                code = process.wait(timeout=_STILL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"{doing or f'{Path(command[0]).name} runs'}, {time.monotonic() - started:.0f} s")
    if code:
        advice = f"the reason is above. Run {COMMAND} again, it goes on from here."
        raise SetupError(failure and f"{failure}: {advice}", 3 if code == 3 else 1)
