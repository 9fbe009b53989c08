"""Peak memory of the largest process of a measurement, by sampling."""

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

import psutil

# One sample costs about 10 ms, so more of them would distort the measurement.
_EVERY_SECONDS = 0.5


class PeakMemory:
    """Context manager that samples the resident memory of some processes and their descendants.

    `mebibytes` is the largest sample of any one process, shared pages included.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self.mebibytes = 0.0
        self._roots = tuple(roots)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True, name="peak-memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self._look()
            if self._done.wait(_EVERY_SECONDS):
                return

    def _look(self) -> None:
        parents: dict[int, int] = {}
        sizes: dict[int, int] = {}
        for process in psutil.process_iter(["ppid", "memory_info"]):
            parents[process.pid] = process.info["ppid"]
            sizes[process.pid] = getattr(process.info["memory_info"], "rss", 0)  # None for a process that just ended
        for pid, size in sizes.items():
            if self._belongs(pid, parents):
                self.mebibytes = max(self.mebibytes, size / 2**20)

    def _belongs(self, pid: int | None, parents: Mapping[int, int]) -> bool:
        while pid:
            if pid in self._roots:
                return True
            pid = parents.get(pid)
        return False
