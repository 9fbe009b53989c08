"""The lock beside a warm server's socket: only its holder may listen there. Stdlib only.

The client takes it and the server that it starts inherits it. So a second server is never started while the first
still imports TFX, even if the client has ended. A server releases it when it drains.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from nightlite import locks
from nightlite.runner.in_tfx.warm.identity import family_of

_A_DAY = 86_400.0


def take(socket: Path) -> int | None:
    """Return the lock's file descriptor, or None while another process holds it."""
    path = socket.with_suffix(".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if not (locks.take(descriptor) and locks.is_at(path, descriptor)):
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)  # the last holder's pid may be another process's by now
    return descriptor


def sign(descriptor: int) -> None:
    """Write this process's pid into an inherited lock, and keep the lock from programs that it starts."""
    os.set_inheritable(descriptor, False)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def drain_others(socket: Path) -> None:
    """Ask older servers of the same kind to finish and end. Clear up after those that have ended."""
    for path in socket.parent.glob("*.lock"):
        same_kind = family_of(path) == family_of(socket)
        if path.stem == socket.stem or not (same_kind or _is_old(path)):
            continue
        other = path.with_suffix(".sock")
        descriptor = take(other)
        if descriptor is not None:
            for suffix in (".sock", ".log", ".lock"):
                other.with_suffix(suffix).unlink(missing_ok=True)
            locks.unlock(descriptor)
        elif same_kind:
            # It is empty during the import, after which that server compares itself.
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(path.read_text()), signal.SIGTERM)


def mark(path: Path) -> tuple[int, int] | None:
    """Return the identity of a file, which differs for a later file of the same name."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_ino, path.stat().st_mtime_ns
    return None


def _is_old(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > _A_DAY
    return False
