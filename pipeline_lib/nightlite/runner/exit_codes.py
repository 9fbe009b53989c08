"""Exit codes of run_node. 0 and 99 have the meaning of Airflow's own BashOperator."""

import resource
import signal
import sys

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_FINAL = 3  # it failed, and another try would fail the same way
EXIT_SKIPPED = 99
EXIT_SIGNAL = 128  # plus the signal's number


def killed_by(signum: int, usage: resource.struct_rusage) -> str:
    """Return a process's death by a signal in words, with what it had used."""
    name = signal.Signals(signum).name
    mebibytes = usage.ru_maxrss // (1024 if sys.platform == "linux" else 1024 * 1024)
    hint = ": out of memory is the usual reason" if signum == signal.SIGKILL else ""
    return f"killed by {name}{hint} (it had used {mebibytes:,} MiB at its peak)"
