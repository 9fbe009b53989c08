"""The things that this host must have before anything is made: one sentence for each thing that it lacks."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

BASH = shutil.which("bash") or "/bin/bash"
NEWER_GLIBC = Path(__file__).with_name("newer_glibc.sh")
# The command that a person ran, for its messages: newer_glibc.sh reads the same variable.
COMMAND = os.environ.setdefault("SET_UP_BY", "nightlite tfx-env")


class SetupError(Exception):
    """Set-up cannot go on. The message is one sentence for the user, the code is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(text: str) -> None:
    print(f"{COMMAND.split()[-1]}: {text}", file=sys.stderr, flush=True)


def needs_newer_glibc() -> bool:
    """Return whether the TFX environment needs a glibc of its own.

    Raises:
      SetupError: it does, and cannot have one here (code 3).
    """
    check = subprocess.run([BASH, NEWER_GLIBC, "--check"], capture_output=True, text=True, check=False)
    if check.returncode:
        raise SetupError(check.stderr.strip().partition(": ")[2], check.returncode)
    return check.stdout.strip() == "newer"


def check_disk(folder: Path, needed_gb: int) -> None:
    """Refuse a disk that the missing environments would fill.

    Raises:
      SetupError: `folder`'s disk has less than `needed_gb` (10^9 bytes) free.
    """
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed_gb:
        raise SetupError(
            f"expected {needed_gb} GB free under {folder} for the environments. Received: {free:.1f} GB. "
            f"Free some space and run {COMMAND} again."
        )


def check_compiler() -> None:
    """Refuse a host that cannot build pyfarmhash, which TFX needs and which has no wheels for these Pythons.

    Raises:
      SetupError: no C++ compiler is on PATH.
    """
    if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++")):
        raise SetupError(
            "expected a C++ compiler, with which pyfarmhash, which TFX needs, is built. Received: none on PATH. "
            f"Install one (on Debian: g++; on macOS: xcode-select --install) and run {COMMAND} again.",
            3,
        )


def check_headers() -> None:
    """Refuse a Python without its headers, which building pyfarmhash needs.

    Raises:
      SetupError: Python.h is missing (code 3).
    """
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise SetupError(
            f"expected {header}, with which pyfarmhash, which TFX needs, is built. Received: no such file. "
            f"Install Python's headers (on Debian: python3-dev) and run {COMMAND} again.",
            3,
        )
