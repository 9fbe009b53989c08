"""Two models in one deployment: twenty runs of each at once, with the same run ids, mix up nothing."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Execution
from tfx.orchestration.portable.mlmd import context_lib

from nightlite.deployment.settings import Settings, settings
from nightlite.ondevice.hooks import HOOKS
from nightlite.ondevice.in_tfx import retention
from nightlite.ondevice.releases.store import Releases
from nightlite.runner.in_tfx import node
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.node_result import NodeResult
from nightlite.settings import forget_settings
from tests.faults.tfx.nodes import files_below
from tests.pipelines import tiny_nights

NAMES = ("nights", "days")
NODES = ("Data", "Train", "Resolver.released", "Judge", "Release")
RUNS = 20
GOOD = [number for number in range(RUNS) if number % 3 != 2]
pytestmark = pytest.mark.timeout(1800)


def spans_of(name: str) -> int:
    """Return the first span of a model, so that neither has one of the other's."""
    return 100 * NAMES.index(name)


def execute(name: str, node_id: str, number: int) -> NodeResult:
    config = settings()
    result = config.var_dir / f"{name}-{node_id}-{number}.json"
    told = {"night": number, "week": spans_of(name) + number // 7}
    node.execute(NodeRequest(pipeline_of(name), node_id, f"night-{number}", config.mlmd_url, told, result))
    return NodeResult.read(result)


def pipeline_of(name: str) -> Path:
    return settings().var_dir / "compiled" / f"{name}.json"


def _run(name: str, number: int) -> dict[str, NodeResult]:
    _together.wait(600)
    return {node_id: execute(name, node_id, number) for node_id in NODES}


_together: Any = None


def _take_barrier(barrier: Any) -> None:
    global _together
    _together = barrier


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Yield a deployment in which every run of both models has begun in the same moment."""
    var = tmp_path_factory.mktemp(request.param)
    variables = {"VAR_DIR": str(var), "KEEP_RELEASES": "100"}
    if request.param == "mariadb":
        variables["METADATA_URL"] = request.getfixturevalue("mariadb_url")
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in variables.items():
            patch.setenv(f"NIGHTLITE_{variable}", value)
        forget_settings()
        for name in NAMES:
            folders = settings().folders(name)
            pipeline = tiny_nights.create_pipeline(str(folders.artifacts), str(folders.releases), name)
            compile_pipeline(pipeline, tiny_nights.PARAMETERS, HOOKS).write(pipeline_of(name))
        # As the warm server does. Like that, this process has not used MariaDB's client before, which no fork survives.
        fork = multiprocessing.get_context("fork")
        people = {"mp_context": fork, "initializer": _take_barrier, "initargs": (fork.Barrier(len(NAMES) * RUNS),)}
        with ProcessPoolExecutor(len(NAMES) * RUNS, **people) as processes:
            runs = [processes.submit(_run, name, number) for number in range(RUNS) for name in NAMES]
            states = Counter(result.state for run in runs for result in run.result().values())
        assert states.keys() <= {"succeeded", "cached"}, [run.result() for run in runs]
        yield settings()
        forget_settings()


@pytest.fixture
def store(lived: Settings) -> Iterator[MetadataStore]:
    with open_store(lived.mlmd_url) as handle:
        yield handle.store


def contexts(store: MetadataStore, execution: int) -> dict[str, str]:
    return {context.type: context.name for context in store.get_contexts_by_execution(execution)}


def test_each_run_has_one_execution_a_node_and_belongs_to_its_own_pipeline(store: MetadataStore) -> None:
    for name in NAMES:
        pipeline = store.get_context_by_type_and_name("pipeline", name)
        runs = store.get_children_contexts_by_context(pipeline.id)
        assert sorted(run.name for run in runs) == sorted(f"{name}.night-{number}" for number in range(RUNS))
        assert len(store.get_executions_by_context(pipeline.id)) == len(NODES) * RUNS
        for run in runs:
            executions = store.get_executions_by_context(run.id)
            assert {item.last_known_state for item in executions} <= {Execution.COMPLETE, Execution.CACHED}
            nodes = sorted(contexts(store, item.id)["node"] for item in executions)
            assert nodes == sorted(f"{name}.{node_id}" for node_id in NODES)
            assert run.custom_properties["night"].int_value == int(run.name.rpartition("-")[2]), "told another run's"
            assert run.custom_properties["week"].int_value // 100 == NAMES.index(name), "told another model's"


def test_nothing_of_one_lies_below_the_folders_of_another(lived: Settings, store: MetadataStore) -> None:
    for name in NAMES:
        root = lived.folders(name).artifacts
        pipeline = store.get_context_by_type_and_name("pipeline", name)
        own = {item.id for item in store.get_executions_by_context(pipeline.id)}
        artifacts = {artifact.uri for artifact in store.get_artifacts_by_context(pipeline.id)}
        assert artifacts and all(Path(uri).is_relative_to(root) for uri in artifacts)
        there = {int(path.name) for path in root.glob("*/*/[0-9]*")}
        assert there and there <= own


def test_every_manifest_names_its_own_pipelines_run_model_and_span(lived: Settings, store: MetadataStore) -> None:
    for name in NAMES:
        releases = Releases(lived.folders(name).releases)
        found = [releases.release(version) for version in releases.versions()]
        assert sorted(release.manifest.run_id for release in found) == sorted(f"night-{number}" for number in GOOD)
        for release in found:
            manifest = release.manifest
            number = int(manifest.run_id.removeprefix("night-"))
            release.verify()
            content = (release.folder / "model.tflite").read_bytes()
            assert content.startswith(f"{name}' model of night {number}.".encode())
            assert manifest.span == spans_of(name) + number // 7
            [artifact] = store.get_artifacts_by_id([manifest.model_artifact_id])
            assert Path(artifact.uri).is_relative_to(lived.folders(name).artifacts / "Train")
            # A Resolver of a later run adds that run's.
            names = [(item.type, item.name) for item in store.get_contexts_by_artifact(artifact.id)]
            assert {found for kind, found in names if kind == "pipeline"} == {name}
            assert f"{name}.{manifest.run_id}" in {found for kind, found in names if kind == "pipeline_run"}


def everything(config: Settings, name: str) -> dict[str, Any]:
    """Return what there is of a model: its files, its releases, its artifacts' states in MLMD."""
    with open_store(config.mlmd_url) as handle:
        pipeline = handle.store.get_context_by_type_and_name("pipeline", name)
        states = {item.id: item.state for item in handle.store.get_artifacts_by_context(pipeline.id)}
    latest = os.readlink(config.folders(name).releases / "latest")
    return {"files": files_below(config.folders(name).root), "states": states, "latest": latest}


def test_retention_rollback_and_prune_of_one_leave_the_other_alone(lived: Settings) -> None:
    """And each one's next run is compared with its own release."""
    own, other = NAMES
    before = everything(lived, other)
    releases = Releases(lived.folders(own).releases)
    oldest, newest = releases.versions()[0], releases.versions()[-1]
    releases.rollback(oldest, who="test", why="test")
    releases.prune(1, who="test", why="test")
    folders = lived.folders(own)
    gone = retention.prune(open_store(lived.mlmd_url), own, folders.artifacts, folders.releases, keep_runs=1)
    assert gone > RUNS and releases.versions() == [oldest, newest]
    assert everything(lived, other) == before
    for name in NAMES:
        current = Releases(lived.folders(name).releases).latest()
        [compared] = execute(name, "Resolver.released", RUNS).outputs["model"]
        assert current and compared.id == current.manifest.model_artifact_id


def test_tfx_still_makes_a_run_of_the_same_id_a_child_of_the_first_pipeline_alone(tmp_path: Path) -> None:
    """It also has the first one's parameters alone. So a run's name in MLMD has its pipeline's in it."""
    with open_store(f"sqlite:///{tmp_path}/mlmd.sqlite") as handle:
        register = partial(context_lib.register_context_if_not_exists, handle)
        parents = [register("pipeline", name) for name in NAMES]
        runs = [register("pipeline_run", "night", [parent]) for parent in parents]
        children = [handle.store.get_children_contexts_by_context(parent.id) for parent in parents]
    assert runs[0].id == runs[1].id
    assert [len(found) for found in children] == [1, 0]
