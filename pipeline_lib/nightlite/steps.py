"""Steps of a long command: a line each with its seconds, and a sign of life while one is running.

On a terminal the running steps are redrawn in one line. Elsewhere each is named again every few seconds. Standard
library only, because set-up runs before anything is installed.
"""

import contextlib
import itertools
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

_FRAMES = "|/-\\"
_REDRAW_SECONDS = 0.2
# No silence over five seconds: the rest is for a loaded machine.
_STILL_SECONDS = 4.0
_WIDTH = 60
_TAIL_LINES = 15


class Steps:
    """The steps of one command; a context manager. Steps may run at the same time, in threads."""

    def __init__(self, stream: IO[str] | None = None, prefix: str = "", still_seconds: float = _STILL_SECONDS) -> None:
        self._stream = stream or sys.stdout
        self._prefix, self._still_seconds = prefix, still_seconds
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_live = is_live(self._stream)
        self._thread = threading.Thread(target=self._keep_showing, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show a step while its block runs, and its seconds at the end."""
        started = time.monotonic()
        with self._lock:
            self._running[text] = started
        try:
            yield
        except BaseException:
            self._end(text, f"{text}: not finished, {time.monotonic() - started:.1f} s")
            raise
        self._end(text, f"{text:<{_WIDTH}} {time.monotonic() - started:6.1f} s")

    def say(self, text: str) -> None:
        """Print lines above the running steps."""
        with self._lock:
            self._write(f"{text}\n")

    def _end(self, text: str, line: str) -> None:
        with self._lock:
            self._running.pop(text, None)
            self._write(f"{self._prefix}{line}\n")

    def _keep_showing(self) -> None:
        frames = itertools.cycle(_FRAMES)
        while not self._ended.wait(_REDRAW_SECONDS if self._is_live else self._still_seconds):
            with self._lock:
                now = time.monotonic()
                running = [f"{text}, {now - started:.0f} s" for text, started in self._running.items()]
                if not running:
                    continue
                if self._is_live:
                    width = shutil.get_terminal_size().columns - 1
                    self._write(f"{next(frames)} {'; '.join(running)}"[:width])
                else:
                    self._write("".join(f"{self._prefix}… {text}\n" for text in running))

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a closed pipe must not stop the work
            if not self._is_live and getattr(self._stream, "encoding", "") not in (None, "utf-8", "UTF-8"):
                text = text.replace("… ", "... ")
            self._stream.write(f"\r\x1b[K{text}" if self._is_live else text)
            self._stream.flush()


def is_live(stream: IO[str]) -> bool:
    """Return whether lines of this stream can be redrawn."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def tail(log: Path) -> str:
    """Return the last lines of a log, indented, and its path."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-_TAIL_LINES:]
    except OSError:
        lines = []
    return "\n".join((f"The end of {log}:", *(f"  {line}" for line in lines)))
