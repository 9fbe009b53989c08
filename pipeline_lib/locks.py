"""One process at a time in a folder: a lock that the kernel lets go of when its holder ends, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console


@contextlib.contextmanager
def lock(folder: Path, waiting_for: str) -> Iterator[None]:
    """Hold `folder` (flock(2) on the folder itself: no lock file to be left behind); wait while another has it.

    Raises:
      OSError: there is no such folder, or its file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not _try_lock(descriptor):
            Console(stderr=True).print(f"Waiting for {waiting_for}, which holds {folder}", soft_wrap=True, markup=False)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def try_lock(folder: Path) -> Iterator[bool]:
    """Hold `folder` if no other process does; gives whether it is held.

    Raises:
      OSError: there is no such folder, or its file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
