"""A component that hangs: Docker restarts what ends only, so the health check ends it."""

import re
import subprocess

from tests.compose.deployment import Deployment, docker, wait_for

STOP = "import os, signal; os.kill(int(open('/proc/1/task/1/children').read().split()[0]), signal.SIGSTOP)"


def test_a_scheduler_that_hangs_is_started_again(deployment: Deployment) -> None:
    scheduler = deployment.container("scheduler")
    before = started(scheduler)
    docker("exec", scheduler, "python", "-c", STOP)
    with deployment.login() as rest:
        wait_for("Airflow to miss it", rest.lost_scheduler, seconds=120)
    assert started(scheduler) == before  # five minutes have not passed
    # As the health check does then.
    subprocess.run(["docker", "exec", scheduler, "nightlite-health", "scheduler", "0"], check=False)
    wait_for("a restart", lambda: started(scheduler) == before + 1, seconds=60)
    deployment.until_well()
    said = deployment.compose("logs", "scheduler").partition("scheduler: unhealthy for ")[2]
    assert re.search(r"  \d+ do_signal_stop .*airflow scheduler", said), said


def started(container: str) -> int:
    """Return how often Docker has started it again."""
    return int(docker("inspect", "--format", "{{.RestartCount}}", container))
