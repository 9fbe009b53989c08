"""The guard's part, which the operator cannot do for itself: end the node after its own process was killed outright."""

import subprocess
import sys
from pathlib import Path

import psutil

from nightlite.paths import PROJECT
from tests.waiting import wait_until_gone

# Ignores SIGTERM, as a node stuck in native code does.
NODE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
HOLDER = f"""
import sys
from pathlib import Path
from nightlite.runner.in_airflow.node_process import NodeProcess
process = NodeProcess([sys.executable, "-c", {NODE!r}], cwd=Path("."), env={{}}, grace_seconds=0.2)
print(next(process.lines()), process.pid, flush=True)
process.wait()
"""


def test_the_node_ends_when_its_task_is_killed_outright():
    # Airflow sends SIGKILL five seconds after SIGTERM; so does the kernel when memory runs out.
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], env={"PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, text=True
    ) as holder:
        said, pid = holder.stdout.readline().split()
        assert said == "deaf"
        assert psutil.pid_exists(int(pid))
        holder.kill()
    wait_until_gone(int(pid))


def test_the_node_ends_when_its_tasks_supervisor_is_killed_outright():
    # Airflow takes the task for dead and tries it again; two tries at once would write and publish the same outputs.
    supervisor = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDER!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", supervisor], env={"PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        said, pid = process.stdout.readline().split()
        assert said == "deaf"
        process.kill()
        wait_until_gone(int(pid))


def test_the_guard_leaves_alone_what_it_was_not_told_of():
    guard = Path(PROJECT, "pipeline_lib/nightlite/runner/in_airflow/node_guard.py")
    for told in ("", "\n", "0\n", "1\n", "-1\n"):
        assert subprocess.run([sys.executable, guard, "0"], input=told, text=True, check=False).returncode == 0
