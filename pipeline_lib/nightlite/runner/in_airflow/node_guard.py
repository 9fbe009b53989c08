"""End a process group as soon as the holder of our stdin closes it or dies.

    python node_guard.py GRACE_SECONDS      stdin: the group's id and a newline, then nothing until its end

It is a program of its own. Airflow sends SIGKILL to a task that takes five seconds to stop. Nothing
inside the task's process can outlive that, and the node, which has its own group, would run on.

The group gets SIGTERM first, and SIGKILL after the grace.
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
        # The group is empty. macOS says "not permitted" if only a zombie remains.
        pass


def main() -> None:
    grace_seconds = float(sys.argv[1])
    group = sys.stdin.readline().strip()
    sys.stdin.read()
    # Without a group id, the node was never started. 0 and 1 would be other groups.
    if group.isdigit() and int(group) > 1:
        end_group(int(group), grace_seconds)


if __name__ == "__main__":
    main()
