"""SIGKILL at random moments of whatever a night under Airflow consists of; then the restart that an operator makes.

MNIST_LITE_TEST_KILLS: how many kills (7, one of each victim; `make test-faults`: 60). MNIST_LITE_TEST_SEED: the seed,
which is printed.
"""

import os
import random
import shutil
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_lib.airflow import stack
from pipeline_lib.settings import Settings
from tests.airflow.stack_fixtures import environment, free_port
from tests.faults.stack import victims
from tests.faults.stack.deployment import Deployment

KILLS = int(os.environ.get("MNIST_LITE_TEST_KILLS") or 7)
SEED = int(os.environ.get("MNIST_LITE_TEST_SEED") or random.SystemRandom().randrange(2**31))
KILLS_A_RUN = 3
# An operator's Airflow finds out within minutes what has died; this one within seconds.
CONFIGURATION = """
[scheduler]
scheduler_heartbeat_sec = 1
scheduler_health_check_threshold = 8
orphaned_tasks_check_interval = 3
task_instance_heartbeat_timeout = 10
task_instance_heartbeat_timeout_detection_interval = 1
task_queued_timeout = 20
task_queued_timeout_check_interval = 2
[workers]
min_heartbeat_interval = 1
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    settings = Settings(var_dir=tmp_path / "var", port=free_port())
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("night_dag.py"), dags)
    deployment = Deployment(settings, dags)
    deployment.home.mkdir(parents=True)
    (deployment.home / "airflow.cfg").write_text(CONFIGURATION)
    with environment({"MNIST_LITE_VAR_DIR": str(settings.var_dir), "MNIST_LITE_PORT": str(settings.port)}):
        deployment.compile()
        try:
            deployment.up()
            deployment.wait_for_dag()
            yield deployment
        finally:
            stack.down(settings)


class Killer:
    """Strikes the drawn victims; one that does not show up before the night is over is drawn again."""

    def __init__(self, deployment: Deployment, chance: random.Random, kills: int) -> None:
        self.deployment, self.chance = deployment, chance
        drawn = [victims.KINDS[number % len(victims.KINDS)] for number in range(kills)]
        chance.shuffle(drawn)
        self.left = deque(drawn)
        self.killed: Counter[str] = Counter()

    def strike(self, night: int) -> None:
        """Up to three strikes while the night's run is under way."""
        for victim in [self.left.popleft() for _ in range(min(KILLS_A_RUN, len(self.left)))]:
            if not victims.processes_of(victim, self.deployment.home):
                self.deployment.up()
            time.sleep(self.chance.uniform(0, 1))
            who = "supervisor" if victim == "task" and self.chance.random() < 0.5 else victim
            found = self._catch(who, night)
            print(f"night {night}: SIGKILL to {who}, {found or 'nobody there'}", flush=True)
            if found:
                self.killed[victim] += 1
            else:
                self.left.append(victim)

    def _catch(self, who: str, night: int) -> int:
        while not (killed := victims.kill(victims.processes_of(who, self.deployment.home))):
            self.deployment.up()
            if self.deployment.run(night).finished:
                break
        return killed


@pytest.mark.timeout(3600)
def test_whatever_is_killed_the_night_ends_well_and_leaves_nothing_half_done(deployment: Deployment) -> None:
    print(f"MNIST_LITE_TEST_SEED={SEED} MNIST_LITE_TEST_KILLS={KILLS}")
    killer = Killer(deployment, random.Random(SEED), KILLS)
    deployment.trigger(0)
    assert deployment.ended(0).state == "success"
    night = 0
    while killer.left:
        night += 1
        assert night <= KILLS, f"hardly anybody is ever there: {killer.killed}"
        deployment.trigger(night)
        killer.strike(night)
        deployment.up()
        assert deployment.ended(night).state == "success", deployment.describe(night)
        deployment.require_whole(nights=night + 1)
    assert killer.killed.total() == KILLS
    deployment.trigger(night + 1)
    assert deployment.ended(night + 1).state == "success", deployment.describe(night + 1)
    deployment.require_whole(nights=night + 2)
