"""Locks of files and folders for one process at a time. The kernel releases them when the holder ends. Stdlib only."""

import contextlib
import fcntl
import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = ".lock"
SILENT_SECONDS = 1.0


@contextlib.contextmanager
def lock(folder: Path, waiting_for: str) -> Iterator[None]:
    """Hold the lock of `folder`. If another process holds it, wait, and print its name after a second.

    The lock is on a file in it that only the folder's writers can open. Anyone who can read a folder can lock it.

    Raises:
      OSError: there is no such folder, it cannot be written to, or its file system has no locks.
    """
    path = folder / LOCK_FILE
    descriptor = _locked(path, waiting_for)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


@contextlib.contextmanager
def try_file(path: Path) -> Iterator[str | None]:
    """Hold a file, which stays, if no other process does. Yield None, or else the holder's name.

    Raises:
      OSError: it cannot be made or written to, or its file system has no locks.
    """
    descriptor = _open(path)
    try:
        if take(descriptor):
            _write_holder(descriptor)
            yield None
        else:
            yield _holder(descriptor)
    finally:
        os.close(descriptor)


def take(descriptor: int) -> bool:
    """Lock an open file if no other process has locked it. Return whether it is locked now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait(descriptor: int) -> None:
    """Wait until no other process has locked an open file, then lock it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def unlock(descriptor: int) -> None:
    """Release the lock and close the file, also if a child still has it open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file still has its name. Its last holder may have removed it before it was locked."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _locked(path: Path, waiting_for: str) -> int:
    while True:
        descriptor = _open(path)
        try:
            _wait_for(descriptor, path, waiting_for)
            if is_at(path, descriptor):
                _write_holder(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    folder = os.stat(path.parent)
    with contextlib.suppress(PermissionError):  # another user made the file
        if os.geteuid() == 0:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        os.fchmod(descriptor, 0o660 if folder.st_mode & stat.S_IWGRP else 0o600)
    return descriptor


def _wait_for(descriptor: int, path: Path, waiting_for: str) -> None:
    silent_until = time.monotonic() + SILENT_SECONDS
    while not take(descriptor):
        if time.monotonic() >= silent_until:
            print(f"Waiting for {waiting_for}: {_holder(descriptor)} holds {path}", file=sys.stderr, flush=True)
            wait(descriptor)
            return
        time.sleep(0.02)


def _write_holder(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}".encode(), 0)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode("utf-8", "replace") or "a process"
