"""SIGKILL at a random moment of whatever runs a night; then the retry that Airflow makes, and the night after.

NIGHTLITE_TEST_KILLS: how many kills that strike what lives (3; `make test-faults`: 60).
NIGHTLITE_TEST_SEED: the seed, which is printed.
"""

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings
from nightlite.ondevice.hooks import HOOKS
from nightlite.ondevice.releases.store import Releases
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.mlmd import running_nodes
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.node_result import NodeResult
from tests.pipelines import tiny_nights
from tests.run_nodes import Deployment

KILLS = int(os.environ.get("NIGHTLITE_TEST_KILLS") or 3)
SEED = int(os.environ.get("NIGHTLITE_TEST_SEED") or random.SystemRandom().randrange(2**31))
NODES = ("Data", "Train", "Resolver.released", "Judge", "Release")
VICTIMS = ("child", "server", "client", "all")
TRIES = 3
MODELS = (tiny_nights.NAME, "others")  # in turn, with the same run ids
NIGHTS = 10 + 3 * KILLS  # a kill may come too early or too late to strike anything: that night does not count


def below(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []


@dataclasses.dataclass
class Nights(Deployment):
    """The pipeline of the nights, its nodes run as Airflow's tasks run them."""

    def __post_init__(self) -> None:
        self.config = Settings(var_dir=self.folder / "var")
        for self.name in MODELS:
            folders = self.config.folders(self.name)
            pipeline = tiny_nights.create_pipeline(str(folders.artifacts), str(folders.releases), self.name)
            compile_pipeline(pipeline, tiny_nights.PARAMETERS, HOOKS).write(self.pipeline)

    @property
    def pipeline(self) -> Path:
        return self.config.compiled_file(MODEL).with_name(f"{self.name}.json")

    def begin(self, node_id: str, number: int) -> subprocess.Popen[str]:
        self.name, night = MODELS[number % len(MODELS)], number // len(MODELS)
        self.result_file(node_id, f"night-{night}").unlink(missing_ok=True)
        return self.start(node_id, f"night-{night}", f"night={night}", f"week={night // 7}")

    def node(self, node_id: str, number: int) -> NodeResult | None:
        """Return the node's result; None where it left none."""
        self.begin(node_id, number).communicate(timeout=400)
        result = self.result_file(node_id, f"night-{number // len(MODELS)}")
        return NodeResult.read(result) if result.exists() else None

    def night(self, number: int) -> None:
        """Return a whole run, each node tried as often as Airflow would."""
        for node_id in NODES:
            results = [self.node(node_id, number)]
            while not (results[-1] and results[-1].state in ("succeeded", "cached")):
                assert len(results) < TRIES, (node_id, number, results)
                results.append(self.node(node_id, number))

    def processes(self, victim: str) -> list[psutil.Process]:
        """Return the running processes that `victim` names."""
        servers = self.servers()
        children = [child for server in servers for child in below(server)]
        return {"child": children, "server": servers, "all": [*servers, *children]}[victim]

    def require_whole(self, number: int) -> None:
        """Require that nothing of a run is running or half done, and that each `latest` points to a whole release."""
        for index, name in enumerate(MODELS):
            if (last := (number - index) // len(MODELS)) >= 0:
                self._require_whole(name, last)

    def _require_whole(self, name: str, night: int) -> None:
        folders = self.config.folders(name)
        with open_store(self.config.mlmd_url) as handle:
            run = handle.store.get_context_by_type_and_name("pipeline_run", f"{name}.night-{night}")
            states = [item.State.Name(item.last_known_state) for item in handle.store.get_executions_by_context(run.id)]
            models = handle.store.get_artifacts_by_type("Model")
        assert "RUNNING" not in states and "NEW" not in states, states
        there = [Path(model.uri) for model in models if model.state == model.LIVE]
        there = [path for path in there if path.is_relative_to(folders.root)]
        assert all((path / "tflite").stat().st_size == tiny_nights.MODEL_BYTES for path in there)
        assert set(there) == set((folders.artifacts / "Train" / "model").iterdir())
        assert list((folders.artifacts / running_nodes.FOLDER).iterdir()) == []
        releases = Releases(folders.releases)
        for version in releases.versions():
            releases.release(version).verify()
        assert releases.latest_version() == releases.versions()[-1]
        good = [number for number in range(night + 1) if number % 3 != 2]
        assert releases.latest_version() == len(good), "a release was lost, or made twice"
        assert [path.name for path in releases.folder.iterdir() if path.name.startswith(".unfinished")] == []


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Nights]:
    deployment = Nights(tmp_path)
    yield deployment
    deployment.stop_servers()


@pytest.mark.timeout(3600)
def test_whatever_is_killed_the_retry_completes_the_night_and_the_next_one_works(deployment: Nights) -> None:
    print(f"NIGHTLITE_TEST_SEED={SEED} NIGHTLITE_TEST_KILLS={KILLS}")
    chance = random.Random(SEED)
    deployment.night(0)
    struck = night = 0
    while struck < KILLS:
        night += 1
        assert night <= NIGHTS, f"{struck} of {night - 1} kills struck a living process"
        victim, node_id = chance.choice(VICTIMS), chance.choice(NODES)
        for before in NODES[: NODES.index(node_id)]:
            result = deployment.node(before, night)
            assert result and result.state in ("succeeded", "cached"), (before, night, result)
        client = deployment.begin(node_id, night)
        time.sleep(chance.uniform(0, 0.8))
        killed = strike(deployment, victim, client)
        client.wait(400)
        struck += bool(killed)
        print(f"night {night}: SIGKILL to {victim} in {node_id}, {killed} processes struck", flush=True)
        deployment.night(night)
        deployment.require_whole(night)
    print(f"{struck} kills struck, in {night} nights", flush=True)


def strike(deployment: Nights, victim: str, client: subprocess.Popen[str]) -> int:
    """Kill what `victim` names; gives how many living processes that were."""
    struck = 0
    for process in [] if victim == "client" else deployment.processes(victim):
        with contextlib.suppress(psutil.Error):
            struck += process.status() != psutil.STATUS_ZOMBIE
            process.kill()
    if victim in ("client", "all") and client.poll() is None:
        os.killpg(client.pid, signal.SIGKILL)
        struck += 1
    return struck
