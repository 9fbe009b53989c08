"""The whole MNIST pipeline to a release, with every Beam node on an engine."""

from pathlib import Path

import pytest

from nightlite.ondevice.releases.store import Releases
from nightlite.runner.node_result import NodeResult
from tests.engine.conftest import Engine
from tests.ondevice.in_tfx.gate_laboratory import LENIENT, few_digits, new_laboratory
from tests.run_nodes import Deployment

# ImportExampleGen passes files on, without Beam.
BEAM_NODES = {"StatisticsGen", "Transform", "Evaluator.mnist", "Evaluator.mnist_lite"}


@pytest.mark.timeout(3600)
def test_a_run_is_released_with_every_beam_node_on_the_engine(engine: Engine, tmp_path: Path) -> None:
    laboratory = new_laboratory(tmp_path / "var", few_digits())
    laboratory.compiled.write(tmp_path / "mnist.json")
    deployment = Deployment(tmp_path, environment={"NIGHTLITE_BEAM_ARGS": engine.beam_args}, name="mnist")
    parameters = [f"{name}={value}" for name, value in {**LENIENT, "epochs": 2}.items()]
    jobs: dict[str, int] = {}
    results: dict[str, NodeResult] = {}
    try:
        for node in laboratory.compiled.nodes:
            before = len(engine.states())
            _, results[node.id], log = deployment.run(node.id, "on-prism", *parameters)
            assert results[node.id].state == "succeeded", log
            jobs[node.id] = len(engine.states()) - before
            print(node.id, f"{jobs[node.id]} jobs, {results[node.id].executor_seconds} s")
    finally:
        deployment.stop_servers()
    assert {node for node, count in jobs.items() if count} == BEAM_NODES
    assert set(engine.states()) == {"DONE"}
    assert results["Pusher.mnist_lite"].pushed
    assert Releases(laboratory.folders.releases).latest_version() == 1
