"""The tie between a warm server and its children: none of them outlives it."""

import os
import signal
import threading


class Lifeline:
    """A pipe whose write end only the parent holds. A child that reads its end notices the parent's end."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def take(self) -> None:
        """Leave the write end to the parent. No process that the child forks may hold it."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def hold(self) -> None:
        """End this process group, which is the child's, as soon as the parent has ended in any way."""
        self.take()
        threading.Thread(target=self._wait, daemon=True, name="lifeline").start()

    def _wait(self) -> None:
        os.read(self._read, 1)
        os.write(2, b"the process that started this one has ended; so does this one\n")
        os.killpg(0, signal.SIGKILL)
