"""Which nodes are at work: a file for each of a run's, locked by the process that runs it for as long as that lives.

The kernel lets go of the lock however its holder ends, in whichever container that was: whoever can take it knows that
the node is at work no more, and may close what was left open in MLMD. The file goes once nothing is left open. Where
there is no file, nothing is known (a disk was full, another root's node), and the node counts as one at work.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from nightlite import locks

FOLDER = ".at_work"


def file_of(root: Path, node: str, run_id: str) -> Path:
    """The file of one node (`pipeline.node`, as its context in MLMD is called) of one run."""
    return root / FOLDER / f"{_short(node)}-{_short(run_id)}"


def files_of(root: Path, node: str) -> list[Path]:
    """The files of one node, of all the runs in which it is at work or was killed."""
    return sorted((root / FOLDER).glob(f"{_short(node)}-*"))


@contextlib.contextmanager
def held(file: Path, run_id: str) -> Iterator[None]:
    """Be at work as long as the block lasts; wait while another process is, in the same run.

    The file stays: whoever has closed everything removes it.

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
    """Hold the file of a node that is at work no more; gives its run's id, empty where there is none yet, or no more.

    None where the node is at work.
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
    """Whether the process of the node that this is the file of is no more, and nobody has cleared up after it."""
    with left_by_dead(file) as run_id:
        return bool(run_id)


def remove(file: Path) -> None:
    """Remove a file, while it is held; one that stays after all is removed by the node's next run."""
    with contextlib.suppress(OSError):
        file.unlink()


def _short(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]
