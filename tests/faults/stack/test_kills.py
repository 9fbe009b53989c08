"""SIGKILL at random moments of whatever a night under Airflow consists of; then the restart that an operator makes.

NIGHTLITE_TEST_KILLS: how many kills (7, one of each victim; `make test-faults`: 60). NIGHTLITE_TEST_SEED: the seed,
which is printed.
"""

import dataclasses
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
from tests.faults.stack.deployment import NAME, OTHER, Deployment
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
    commands = []
    for name in (NAME, OTHER):
        folders = settings.folders(name)
        places = [settings.compiled_file(MODEL).with_name(f"{name}.json"), folders.artifacts, folders.releases]
        commands.append(["tests.pipelines.tiny_nights", *map(str, places), name])
    with under_airflow(tmp_path, NAME, commands) as deployment:
        with deployment.rest() as rest:
            wait_for_dag(rest, OTHER)
        yield deployment


@pytest.fixture
def mnist(tmp_path: Path) -> Iterator[Deployment]:
    """Yield the project's own pipeline, with data."""
    commands = [
        ["nightlite.deployment.in_tfx.commands", "ingest", "digits", "--model=mnist", "--no-tell"],
        ["nightlite.deployment.in_tfx.compile", "--model=mnist"],
    ]
    with under_airflow(tmp_path, PIPELINE_NAME, commands) as deployment:
        yield deployment


class Killer:
    """Strikes the drawn victims; one that does not show up before the night is over is drawn again."""

    def __init__(self, models: Sequence[Deployment], chance: random.Random, kills: int) -> None:
        self.models, self.deployment, self.chance = models, models[0], chance
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
            if all(model.run(night).finished for model in self.models):
                break
        return killed


@pytest.mark.timeout(3600)
def test_whatever_is_killed_the_night_ends_well_and_leaves_nothing_half_done(deployment: Deployment) -> None:
    print(f"NIGHTLITE_TEST_SEED={SEED} NIGHTLITE_TEST_KILLS={KILLS}")
    models = (deployment, dataclasses.replace(deployment, dag_id=OTHER))
    killer = Killer(models, random.Random(SEED), KILLS)
    for model in models:
        model.trigger(0)
        assert model.ended(0).state == "success"
    night = 0
    while killer.left:
        night += 1
        assert night <= KILLS, f"hardly anybody is ever there: {killer.killed}"
        # Both at once, as at 02:00.
        for model in models:
            model.trigger(night)
        killer.strike(night)
        deployment.up()
        require_a_good_night(models, night)
    assert killer.killed.total() == KILLS
    for model in models:
        model.trigger(night + 1)
    require_a_good_night(models, night + 1)


def require_a_good_night(models: Sequence[Deployment], night: int) -> None:
    for model in models:
        assert model.ended(night).state == "success", model.describe(night)
    for model in models:
        model.require_whole(nights=night + 1)


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
