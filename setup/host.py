"""The things that this host must have before anything is made: one sentence for each thing that it lacks."""

import shutil
import subprocess
import sys
from pathlib import Path

NEWER_GLIBC = Path(__file__).with_name("newer_glibc.sh")


class SetupError(Exception):
    """Set-up cannot go on. The message is one sentence for the user, the code is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def needs_newer_glibc() -> bool:
    """Return whether the TFX environment needs a glibc of its own.

    Raises:
      SetupError: it does, and cannot have one here (code 3).
    """
    check = subprocess.run([NEWER_GLIBC, "--check"], capture_output=True, text=True, check=False)
    if check.returncode:
        raise SetupError(check.stderr.strip().removeprefix("setup: "), check.returncode)
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
            "Free some space and run make setup again."
        )


def check_compiler() -> None:
    """Refuse a host that cannot build pyfarmhash, which TFX needs and which has no wheels for these Pythons.

    Raises:
      SetupError: no C++ compiler is on PATH.
    """
    if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++")):
        raise SetupError(
            "expected a C++ compiler, with which pyfarmhash, which TFX needs, is built. Received: none on PATH. "
            "Install one (on Debian: g++; on macOS: xcode-select --install) and run make setup again.",
            3,
        )
