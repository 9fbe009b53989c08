"""SIGKILL at random moments of whatever a night under Airflow consists of; then the restart that an operator makes.

NIGHTLITE_TEST_KILLS: how many kills (7, one of each victim; `make test-faults`: 60). NIGHTLITE_TEST_SEED: the seed,
which is printed.
"""

import os
import random
import shutil
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.local import stack
from nightlite.deployment.settings import Settings
from nightlite.ondevice.releases.store import Releases
from tests.faults.stack import victims
from tests.faults.stack.deployment import NAME, Deployment
from tests.names import PIPELINE_NAME
from tests.real_airflow import environment, free_port, tfx, wait_for_dag

KILLS = int(os.environ.get("NIGHTLITE_TEST_KILLS") or 7)
SEED = int(os.environ.get("NIGHTLITE_TEST_SEED") or random.SystemRandom().randrange(2**31))
KILLS_A_RUN = 3
LARGE_NODES = {"StatisticsGen", "Transform", "Trainer.mnist", "Trainer.mnist_lite", "Evaluator.mnist"}
LARGE_NODES |= {"Evaluator.mnist_lite", "EdgeValidator", "ModelReport"}
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


@contextmanager
def under_airflow(folder: Path, dag_id: str, commands: Sequence[list[str]]) -> Iterator[Deployment]:
    """Yield a real Airflow with the DAG of the compiled pipeline, once the TFX side has run these modules."""
    settings = Settings(var_dir=folder / "var", port=free_port())
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("killed_dag.py"), dags)
    deployment = Deployment(settings, dags, dag_id)
    deployment.home.mkdir(parents=True)
    (deployment.home / "airflow.cfg").write_text(CONFIGURATION)
    with environment({"NIGHTLITE_VAR_DIR": str(settings.var_dir), "NIGHTLITE_PORT": str(settings.port)}):
        for command in commands:
            tfx(settings, *command)
        try:
            deployment.up()
            with deployment.rest() as rest:
                wait_for_dag(rest, dag_id)
            yield deployment
        finally:
            stack.down(settings)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    settings = Settings(var_dir=tmp_path / "var")
    places = [settings.compiled_file(MODEL), settings.folders(NAME).artifacts, settings.folders(NAME).releases]
    compile_nights = ["tests.pipelines.tiny_nights", *map(str, places)]
    with under_airflow(tmp_path, NAME, [compile_nights]) as deployment:
        yield deployment


@pytest.fixture
def mnist(tmp_path: Path) -> Iterator[Deployment]:
    """Yield the project's own pipeline, with data."""
    commands = [
        ["nightlite.deployment.in_tfx.commands", "ingest", "digits", "--model=mnist", "--no-tell"],
        ["nightlite.deployment.in_tfx.compile"],
    ]
    with under_airflow(tmp_path, PIPELINE_NAME, commands) as deployment:
        yield deployment


class Killer:
    """Strikes the drawn victims; one that does not show up before the night is over is drawn again."""

    def __init__(self, deployment: Deployment, chance: random.Random, kills: int) -> None:
        self.deployment, self.chance = deployment, chance
        drawn = [victims.KINDS[number % len(victims.KINDS)] for number in range(kills)]
        chance.shuffle(drawn)
        self.left = deque(drawn)
        self.killed: Counter[str] = Counter()

    def strike(self, night: int) -> None:
        """Strike up to three times during the night's run."""
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
    print(f"NIGHTLITE_TEST_SEED={SEED} NIGHTLITE_TEST_KILLS={KILLS}")
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


@pytest.mark.timeout(1800)
def test_each_large_node_of_the_real_pipeline_is_killed_while_it_runs_and_made_again(mnist: Deployment) -> None:
    """Those with Beam, TFMA, Keras, the converter and LiteRT in them: each is struck once, at a random moment."""
    print(f"NIGHTLITE_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    struck: set[str] = set()
    mnist.trigger(0)
    while not mnist.run(0).finished:
        with mnist.rest() as rest:
            running = {task.task_id for task in rest.tasks(PIPELINE_NAME, "night-0") if task.state == "running"}
        if killed := running.intersection(LARGE_NODES) - struck:
            time.sleep(chance.uniform(0, 0.5))
            if victims.kill(victims.processes_of("child", mnist.home)):
                print(f"SIGKILL while {', '.join(sorted(killed))} ran", flush=True)
                struck |= killed
        time.sleep(0.05)
    assert mnist.run(0).state == "success", mnist.describe(0)
    with mnist.rest() as rest:
        tries = {task.task_id: task.try_number or 0 for task in rest.tasks(PIPELINE_NAME, "night-0")}
    again = {node for node in struck if tries[node] > 1}
    assert len(again) >= len(LARGE_NODES) // 2, f"hardly anybody was hit: {tries}"
    mnist.require_nothing_half_done()
    releases = Releases(mnist.folders.releases)
    assert releases.versions() == [1] and releases.latest_version() == 1
    releases.release(1).verify()
