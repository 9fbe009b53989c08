"""What this host must have before anything is made: one sentence for each thing that it lacks."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NEWER_GLIBC = Path(__file__).with_name("newer_glibc.sh")


class SetupError(Exception):
    """Set-up cannot go on; the message is the one sentence that the user reads, the code its exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def needs_newer_glibc() -> bool:
    """Whether the TFX environment needs a glibc of its own.

    Raises:
      SetupError: it does, and cannot have one here (code 3).
    """
    check = subprocess.run([NEWER_GLIBC, "--check"], capture_output=True, text=True, check=False)
    if check.returncode:
        raise SetupError(check.stderr.strip().removeprefix("setup: "), check.returncode)
    return check.stdout.strip() == "newer"


def check_disk(folder: Path, needed_gb: int) -> None:
    """Refuse a disk that what is missing would fill.

    Raises:
      SetupError: `folder`'s disk has less than `needed_gb` (10^9 bytes) free.
    """
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed_gb:
        raise SetupError(
            f"expected {needed_gb} GB free under {folder} for the environments. Received: {free:.1f} GB. "
            "Free some space and run make setup again."
        )


def check_compiler() -> None:
    """Refuse a host that cannot build pyfarmhash, which TFX needs and which has no wheels on PyPI for these Pythons.

    Raises:
      SetupError: no C++ compiler is on PATH.
    """
    if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++")):
        raise SetupError(
            "expected a C++ compiler, with which pyfarmhash, which TFX needs, is built. Received: none on PATH. "
            "Install one (on Debian: g++; on macOS: xcode-select --install) and run make setup again.",
            3,
        )


def check_package_index(uv: Path, lock: Path) -> None:
    """Ask PyPI (or the index that uv is set up for) for the least that there is to install, unless UV_OFFLINE is set.

    Raises:
      SetupError: it does not answer.
    """
    if os.environ.get("UV_OFFLINE"):
        return
    with tempfile.TemporaryDirectory() as folder:
        command: list[str | Path] = [
            uv,
            "pip",
            "install",
            "--no-cache",
            "--dry-run",
            "--no-deps",
            "--target",
            folder,
            "-r",
            lock,
        ]
        asked = subprocess.run([*command, "--python", sys.executable], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise SetupError(
            f"PyPI does not answer ({reason(asked.stderr)}). Run make setup again when the network is there; "
            "behind a proxy, set HTTPS_PROXY; with everything in uv's cache, set UV_OFFLINE=1."
        )


def reason(stderr: str) -> str:
    """The innermost cause that uv or pip names: the last line that is not advice."""
    lines = [line.strip() for line in stderr.splitlines()]
    lines = [line for line in lines if line and not line.lower().startswith(("hint:", "warning:", "[notice]"))]
    return re.sub(r"^(caused by|cause|error): ", "", lines[-1], flags=re.IGNORECASE) if lines else "no reason given"
