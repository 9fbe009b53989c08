"""Waiting, in the tests of both environments: for anything to become true, and for a process to end."""

import time
from collections.abc import Callable
from typing import Any

import psutil


def wait_until(what: object, found: Callable[[], Any], seconds: float = 600, every: float = 0.2) -> Any:
    """Return the first true answer of `found`. `what` names it in the error; a function is asked only then."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"{what() if callable(what) else what}: not within {seconds:.0f} s"
        time.sleep(every)
    return answer


def wait_until_gone(pid: int) -> None:
    """Wait until a process has ended. A container's first process may never reap: a zombie is gone too."""

    def is_gone() -> bool:
        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    wait_until(f"the end of process {pid}", is_gone, seconds=120)
