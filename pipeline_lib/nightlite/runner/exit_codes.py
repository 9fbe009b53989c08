"""Exit codes of run_node. 0 and 99 have the meaning of Airflow's own BashOperator."""

import resource
import signal
import sys
from collections.abc import Mapping

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_FINAL = 3
EXIT_SKIPPED = 99
EXIT_SIGNAL = 128  # plus the signal's number
MEANINGS: Mapping[int | str, str] = {
    EXIT_OK: "ran, or answered from cache",
    EXIT_FAILED: "failed",
    EXIT_USAGE: "cannot be run as asked: a wrong option or parameter, or no such compiled pipeline",
    EXIT_FINAL: "failed, and another try would fail the same way, as when the data is refused",
    EXIT_SKIPPED: "was skipped: a condition is false, or a Pusher's model is not blessed",
    f"{EXIT_SIGNAL} + N": "was ended by signal N",
}


def killed_by(signum: int, usage: resource.struct_rusage) -> str:
    """Return a process's death by a signal in words, with what it had used."""
    name = signal.Signals(signum).name
    mebibytes = usage.ru_maxrss // (1024 if sys.platform == "linux" else 1024 * 1024)
    hint = ": out of memory is the usual reason" if signum == signal.SIGKILL else ""
    return f"killed by {name}{hint} (it had used {mebibytes:,} MiB at its peak)"
