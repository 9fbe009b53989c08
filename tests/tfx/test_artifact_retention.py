"""Which runs' artifacts stay, asked of a store that two pipelines share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline_lib.graph import CompiledPipeline
from pipeline_lib.node_result import NodeResult
from pipeline_lib.settings import Settings, settings
from pipeline_lib.tfx import artifact_retention, node
from pipeline_lib.tfx.compile import compile_pipeline
from pipeline_lib.tfx.metadata_store import connection_config, open_store
from pipeline_lib.tfx.request import NodeRequest
from tests.pipelines import neighbour, tiny_nights


def test_the_newest_runs_are_the_pipelines_own_and_no_execution_is_asked_for_its_contexts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MetadataStore(connection_config(f"sqlite:///{tmp_path}/mlmd.sqlite"))
    kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Node"))
    types = {
        name: store.put_context_type(metadata_store_pb2.ContextType(name=name)) for name in ("pipeline", "pipeline_run")
    }

    def context(type_name: str, name: str) -> metadata_store_pb2.Context:
        made = metadata_store_pb2.Context(type_id=types[type_name], name=name)
        [made.id] = store.put_contexts([made])
        return made

    ours: list[int] = []
    pipelines = {name: context("pipeline", name) for name in ("ours", "theirs")}
    for number in range(8):
        name = "ours" if number % 2 else "theirs"
        run = context("pipeline_run", f"run-{number}")
        link = metadata_store_pb2.ParentContext(child_id=run.id, parent_id=pipelines[name].id)
        store.put_parent_contexts([link])
        if number != 5:  # a run that was triggered and came to nothing
            execution = metadata_store_pb2.Execution(type_id=kind)
            store.put_execution(execution, [], [pipelines[name], run])
            ours += [run.id] if name == "ours" else []
    monkeypatch.setattr(MetadataStore, "get_contexts_by_execution", None)
    assert list(artifact_retention._newest_runs(store, "ours", 2)) == [ours[2], ours[1]]
    assert list(artifact_retention._newest_runs(store, "ours", 100)) == ours[::-1]
    assert list(artifact_retention._newest_runs(store, "nobody's", 2)) == []


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Default settings, but for the folder."""
    monkeypatch.setenv("MNIST_LITE_VAR_DIR", str(tmp_path))
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


def run(config: Settings, compiled: CompiledPipeline, night: int) -> dict[str, NodeResult]:
    file, result = config.var_dir / f"{compiled.name}.json", config.var_dir / "result.json"
    compiled.write(file)
    results = {}
    for item in compiled.nodes:
        # Of one name in both pipelines, as the runs of two DAGs of one schedule are.
        request = NodeRequest(file, item.id, f"scheduled-{night}", config.mlmd_url, {"night": night}, result)
        assert node.execute(request) == 0
        results[item.id] = NodeResult.read(result)
    return results


def test_another_pipelines_baseline_survives_in_a_shared_root(deployment: Settings) -> None:
    root = str(deployment.pipeline_root)
    theirs = compile_pipeline(neighbour.create_pipeline(root), tiny_nights.PARAMETERS)
    ours = compile_pipeline(tiny_nights.create_pipeline(root, str(deployment.push_dir)), tiny_nights.PARAMETERS)
    [blessed] = run(deployment, theirs, 0)["Train"].outputs["model"]
    run(deployment, ours, 0)
    assert [item.id for item in run(deployment, theirs, 1)["Baseline"].outputs["model"]] == [blessed.id]
    # Not even where ours keeps the least, and theirs has newer runs that keep nothing of it.
    for night in (1, 2, 3):
        run(deployment, ours, night)
    for name, gone in ((neighbour.NAME, False), (tiny_nights.NAME, True)):
        before = Path(blessed.uri, "tflite").exists(), len(list(deployment.pipeline_root.glob("Judge/blessing/*")))
        artifact_retention.prune(
            open_store(deployment.mlmd_url), name, deployment.pipeline_root, deployment.push_dir, 1
        )
        after = Path(blessed.uri, "tflite").exists(), len(list(deployment.pipeline_root.glob("Judge/blessing/*")))
        assert before[0] and after[0]
        assert (after[1] < before[1]) is gone


def test_what_another_pipelines_kept_run_has_read_is_kept(deployment: Settings) -> None:
    ours = compile_pipeline(
        tiny_nights.create_pipeline(str(deployment.pipeline_root), str(deployment.push_dir)), tiny_nights.PARAMETERS
    )
    # The third is refused, so no release and no later run of ours needs it.
    [read], _, [unread], _ = (run(deployment, ours, night)["Train"].outputs["model"] for night in range(4))
    with open_store(deployment.mlmd_url) as handle:
        store = handle.store
        contexts = []
        for type_name in ("pipeline", "pipeline_run"):
            kind = store.get_context_type(type_name).id
            contexts.append(metadata_store_pb2.Context(type_id=kind, name=f"a reader's {type_name}"))
        reader = metadata_store_pb2.Execution(type_id=store.get_executions_by_id([1])[0].type_id)
        event = metadata_store_pb2.Event(artifact_id=read.id, type=metadata_store_pb2.Event.INPUT)
        [artifact] = store.get_artifacts_by_id([read.id])
        _, _, [pipeline, one_run] = store.put_execution(reader, [(artifact, event)], contexts)
        store.put_parent_contexts([metadata_store_pb2.ParentContext(child_id=one_run, parent_id=pipeline)])
    none = deployment.var_dir / "none"
    artifact_retention.prune(open_store(deployment.mlmd_url), tiny_nights.NAME, deployment.pipeline_root, none, 1)
    assert Path(read.uri).exists() and not Path(unread.uri).exists()
