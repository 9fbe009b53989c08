"""A bench that is stopped midway takes its own Airflow and warm server along."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from nightlite.paths import PROJECT
from tests.waiting import wait_until


def _commands_of(folder: Path) -> list[str]:
    """Return the command lines of the processes that were told of `folder`, by argument or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            told = [*command, *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(folder) in text for text in told):
            found.append(" ".join(command))
    return found


@pytest.mark.skipif(
    not os.environ.get("NIGHTLITE_TEST_LONG"), reason="NOT TESTED: takes a minute; set NIGHTLITE_TEST_LONG=1"
)
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_bench_leaves_no_process_and_no_folder(tmp_path: Path, signum: int, code: int) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    command = [sys.executable, "-m", "bench", "--only", "noop_task", "--output", str(tmp_path / "bench.json")]
    # A session of its own, so that SIGINT is not the test's; to the bench alone, as `kill` would.
    bench = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
        # A shell that started these tests in the background has SIGINT ignored, and so has whatever comes of it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_until("a scheduler", lambda: any("scheduler" in command for command in _commands_of(folder)))
        bench.send_signal(signum)
        assert bench.wait(300) == code
    finally:
        bench.kill()
    wait_until("the end of them all", lambda: not _commands_of(folder))
    assert not list(folder.glob("bench-*"))
