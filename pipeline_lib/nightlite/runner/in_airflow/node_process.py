"""Process of a node: its log line by line, its exit code, and the certain end of all its children."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from nightlite.runner.in_airflow import node_guard

_LOOK_SECONDS = 1.0


class NodeProcess:
    """A command in a process group of its own; a context manager that ends the whole group on exit.

    It also ends when the process that started this one has ended, which is Airflow's supervisor. Without the
    supervisor's heartbeats, Airflow would start a second try beside it.

    `end` may be called from a signal handler. It only starts the ending, so that the log can still be read.

    Args:
      argv: the command; its stdout and stderr are one stream of UTF-8 lines.
      cwd: its working directory.
      env: its whole environment.
      grace_seconds: between SIGTERM and SIGKILL to the group.

    Raises:
      OSError: the command cannot be started.
    """

    def __init__(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], grace_seconds: float) -> None:
        self.ending = False
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", node_guard.__file__, str(grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # Unbuffered, so that `end` may close it from a signal handler while another thread does.
            bufsize=0,
        )
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="backslashreplace",
                start_new_session=True,
            )
        except OSError:
            self._free_guard()
            self._guard.wait()
            raise
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{self._process.pid}\n".encode())
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._free_guard_when_over, daemon=True)
        self._watcher.start()
        threading.Thread(target=self._end_when_orphaned, args=(os.getppid(),), daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Yield the log as it is written, without line ends. A progress bar's carriage returns also end lines."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.rstrip()

    def wait(self) -> int:
        """Return the exit code, or minus the number of the signal that ended it."""
        self._watcher.join()
        return self._process.returncode

    def end(self) -> None:
        """Start to end the group, and return at once."""
        self.ending = True
        self._free_guard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free_guard()
        self._guard.wait()
        self._watcher.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _free_guard_when_over(self) -> None:
        # Leftovers in a finished node's group would hold the log open forever.
        self._process.wait()
        self._over.set()
        self._free_guard()

    def _end_when_orphaned(self, parent: int) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            if os.getppid() != parent:
                self.end()
                return

    def _free_guard(self) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.close()
