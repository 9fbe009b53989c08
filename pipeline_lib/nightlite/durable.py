"""Files and folders that are there whole or not at all, after a power cut too: temporary name, fsync, rename, fsync."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

_UNFINISHED = ".unfinished-"


def write(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file in the place of whatever is there; readers see the old or the new one.

    Args:
      mode: permissions, less the umask's.

    Raises:
      OSError: it could not be written; what was there still is.
    """
    partial = _beside(path)
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


def link(path: Path, target: str) -> None:
    """Point a symbolic link to `target`, relative to its folder; readers see the old or the new one."""
    partial = _beside(path)
    partial.symlink_to(target)
    partial.replace(path)
    sync(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` at the end of the block if nothing went wrong in it.

    Raises:
      OSError: `path` is there already and holds something, or cannot be made. What is there stays as it was.
    """
    partial = _beside(path)
    # It has its own name from the beginning: a signature says which folder was signed.
    folder = partial / path.name
    try:
        folder.mkdir(parents=True)
        yield folder
        for file in folder.iterdir():
            sync(file)
        sync(folder)
        folder.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove(folder: Path) -> None:
    """Remove a folder; nobody sees a part of it under its name."""
    partial = _beside(folder)
    folder.rename(partial)
    sync(folder.parent)
    shutil.rmtree(partial)


def clear_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left in `folder`; call it only where no writer is at work."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
