"""Keep the import messages of C++ libraries, which ignore log levels, off stderr."""

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Send file descriptor 2 nowhere while the block runs. Python's exceptions are unaffected."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def mute_exit() -> None:
    """Send file descriptor 2 nowhere when the process exits: LiteRT's accelerators write a line each then."""
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))
