"""A file system of a given size, for what happens once it is full."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount one; where that is not allowed, the test says so and is skipped."""
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: only root can mount a small file system")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: no small file system could be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Write a file that leaves so many bytes; gives the file."""
    file = disk / "full"
    with file.open("wb") as zeros:
        zeros.write(bytes(max(0, shutil.disk_usage(disk).free - leave)))
    return file
