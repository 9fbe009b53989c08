"""The whole MNIST pipeline to a release, with every Beam job on an engine; and the Transform of penguins."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from models.penguins import ingest, on_device
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.releases.store import Releases
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.node_result import NodeResult
from tests.engine.conftest import Engine
from tests.ondevice.in_tfx.gate_laboratory import LENIENT, Laboratory, few_digits, new_laboratory
from tests.run_nodes import Deployment

pytestmark = pytest.mark.timeout(3600)


@dataclass
class OnEngine:
    """Runs whose Beam nodes are jobs of an engine."""

    engine: Engine
    laboratory: Laboratory
    deployment: Deployment
    results: dict[str, NodeResult] = field(default_factory=dict)

    def run(self, compiled: CompiledPipeline, last: str, *parameters: str) -> set[str]:
        """Run the nodes up to `last`. Return those that were jobs."""
        self.deployment.name = compiled.name
        compiled.write(self.deployment.pipeline)
        with_job = set()
        for node in compiled.nodes:
            before = self.engine.states()
            _, result, log = self.deployment.run(node.id, "on-engine", *parameters)
            assert result.state == "succeeded", log
            self.results[node.id] = result
            new = self.engine.states()[len(before) :]
            assert set(new) <= {"DONE"}
            with_job |= {node.id} if new else set()
            print(f"{node.id}: {len(new)} jobs, {result.executor_seconds} s")
            if node.id == last:
                return with_job
        raise AssertionError(f"no node {last}")


@pytest.fixture(scope="module")
def on_engine(engine_of_session: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnEngine]:
    engine_of_session.start()
    folder = tmp_path_factory.mktemp("pipelines")
    laboratory = new_laboratory(folder / "var", few_digits())
    deployment = Deployment(folder, environment={"NIGHTLITE_BEAM_ARGS": engine_of_session.beam_args})
    yield OnEngine(engine_of_session, laboratory, deployment)
    deployment.stop_servers()


def test_a_run_is_released_with_every_beam_node_on_the_engine(on_engine: OnEngine) -> None:
    compiled = on_engine.laboratory.compiled
    parameters = [f"{name}={value}" for name, value in {**LENIENT, "epochs": 2}.items()]
    jobs = on_engine.run(compiled, compiled.nodes[-1].id, *parameters)
    # Nothing of an image is analysed over all images, so its Transform has no job.
    assert jobs == {"StatisticsGen", "Evaluator.mnist", "Evaluator.mnist_lite"}
    assert on_engine.results["Pusher.mnist_lite"].pushed
    assert Releases(on_engine.laboratory.folders.releases).latest_version() == 1


def test_a_transform_that_analyses_the_data_is_a_job(on_engine: OnEngine) -> None:
    model, settings = on_device.MODEL, on_engine.laboratory.settings
    ingest.ingest("penguins", settings.folders(model.name).data)
    assert on_engine.run(compile_model(model, settings), "Transform") == {"StatisticsGen", "Transform"}
