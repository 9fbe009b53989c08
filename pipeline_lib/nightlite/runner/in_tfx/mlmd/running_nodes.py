"""Lock files that show which nodes are running. The process that runs a node holds its lock until it exits.

The kernel releases the lock however the holder ends, in any container. A process that can take the lock knows that
the node is no longer running. It may then close the node's open executions in MLMD. The file is removed when nothing
is left open. Without a file nothing is known (a full disk, another root's node), and the node counts as running.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from nightlite import locks

FOLDER = ".running"


def file_of(root: Path, node: str, run_id: str) -> Path:
    """Return the file of one node (`pipeline.node`, the name of its context in MLMD) of one run."""
    return root / FOLDER / f"{_short(node)}-{_short(run_id)}"


def files_of(root: Path, node: str) -> list[Path]:
    """Return the files of one node, for all the runs in which it is running or was killed."""
    return sorted((root / FOLDER).glob(f"{_short(node)}-*"))


@contextlib.contextmanager
def held(file: Path, run_id: str) -> Iterator[None]:
    """Hold the node's lock during the block. Wait while another process holds it in the same run.

    The file stays until its open executions are closed, when it is removed.

    Raises:
      OSError: it cannot be made or locked.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with file.open("ab+", buffering=0) as opened:
            if not locks.take(opened.fileno()):
                print("waiting for an earlier try of this node to end", flush=True)
                locks.wait(opened.fileno())
            if locks.is_at(file, opened.fileno()):
                try:
                    opened.truncate(0)
                    opened.write(run_id.encode())
                except OSError:
                    remove(file)
                    raise
                yield
                return


@contextlib.contextmanager
def left_by_dead(file: Path) -> Iterator[str | None]:
    """Hold the file of a node that is no longer running. Yield its run's id, or "" if there is none, or no longer.

    Yield None if the node is running.
    """
    try:
        opened = file.open("rb+")
    except FileNotFoundError:
        yield ""
        return
    with opened:
        mine = locks.take(opened.fileno()) and locks.is_at(file, opened.fileno())
        yield opened.read().decode() if mine else None


def is_dead(file: Path) -> bool:
    """Return whether the file's process has ended and its node still needs clearing up."""
    with left_by_dead(file) as run_id:
        return bool(run_id)


def remove(file: Path) -> None:
    """Remove a held file. If that fails, the node's next run removes it."""
    with contextlib.suppress(OSError):
        file.unlink()


def _short(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]
