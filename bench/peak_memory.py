"""Peak memory of the largest process of a measurement."""

import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

# One look costs about 10 ms, so more of them would distort the measurement.
_EVERY_SECONDS = 0.5


class PeakMemory:
    """Context manager that looks at the resident memory of some processes and their descendants.

    `mebibytes` is the largest of any one process, shared pages included. Linux keeps each process's peak, so a peak
    between two looks counts; elsewhere it is missed.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self.mebibytes = 0.0
        self._roots = tuple(roots)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="peak-memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self._look()
            if self._done.wait(_EVERY_SECONDS):
                return

    def _look(self) -> None:
        parents: dict[int, int] = {process.pid: process.info["ppid"] for process in psutil.process_iter(["ppid"])}
        for pid in parents:
            if self._belongs(pid, parents):
                self.mebibytes = max(self.mebibytes, peak_of(pid))

    def _belongs(self, pid: int | None, parents: Mapping[int, int]) -> bool:
        while pid:
            if pid in self._roots:
                return True
            pid = parents.get(pid)
        return False


def peak_of(pid: int) -> float:
    """Return the largest size of a process so far, in MiB, or its size now elsewhere than on Linux; 0 after its end."""
    try:
        if sys.platform != "linux":
            return float(psutil.Process(pid).memory_info().rss) / 2**20
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, psutil.Error):
        return 0.0
    # A process that has ended, but was not waited for, has no such line.
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), default=0.0)
