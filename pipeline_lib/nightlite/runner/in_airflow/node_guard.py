"""End a process group as soon as whoever holds our stdin lets go of it, or dies.

    python node_guard.py GRACE_SECONDS      stdin: the group's id and a newline, then nothing until its end

A program of its own, because Airflow ends a task that is slow to stop with SIGKILL after five seconds: nothing inside
the task's process can outlive that, and the node, which has a group of its own, would run on.
SIGTERM first, SIGKILL to what is left after the grace.
"""

import os
import signal
import sys
import time

_POLL_SECONDS = 0.05


def end_group(group: int, grace_seconds: float) -> None:
    try:
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Nobody is left. macOS says "not permitted" of a group of which only a zombie remains.
        pass


def main() -> None:
    grace_seconds = float(sys.argv[1])
    group = sys.stdin.readline().strip()
    sys.stdin.read()
    # No group id: the node was never started. 0 and 1 would be our own group and everybody's.
    if group.isdigit() and int(group) > 1:
        end_group(int(group), grace_seconds)


if __name__ == "__main__":
    main()
