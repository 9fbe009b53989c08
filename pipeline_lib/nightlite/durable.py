"""Files and folders that are whole or absent, even after a power cut: temporary name, fsync, rename, fsync."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

_UNFINISHED = ".unfinished-"


def write(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace or create a file. Readers see the old or the new one.

    Args:
      mode: permissions, less the umask's.

    Raises:
      OSError: it could not be written, and the old file is unchanged.
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
    """Point a symbolic link to `target`, relative to its folder. Readers see the old or the new one."""
    partial = _beside(path)
    partial.symlink_to(target)
    partial.replace(path)
    sync(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `path` at the end of the block if nothing failed.

    Raises:
      OSError: `path` already holds something, or cannot be made. Existing files are unchanged.
    """
    partial = _beside(path)
    # It has its final name from the start, because a signature names the signed folder.
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
    """Remove a folder. No one sees a part of it under its name."""
    partial = _beside(folder)
    folder.rename(partial)
    sync(folder.parent)
    shutil.rmtree(partial)


def clear_unfinished(folder: Path) -> None:
    """Remove the leftovers of killed writers in `folder`. Call it only while no writer is running."""
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
