"""The runs whose artifacts stay, asked of a store that two pipelines share."""

from pathlib import Path

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from nightlite.deployment.settings import Settings, settings
from nightlite.ondevice.hooks import HOOKS
from nightlite.ondevice.in_tfx import retention
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.mlmd.store import connection_config, open_store
from nightlite.runner.node_result import NodeResult
from tests.faults.tfx.nights import compiled_nights, folders_of, prune, run_node
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
    assert list(retention.newest_runs(store, "ours", 2)) == [ours[2], ours[1]]
    assert list(retention.newest_runs(store, "ours", 100)) == ours[::-1]
    assert list(retention.newest_runs(store, "nobody's", 2)) == []


def run(compiled: CompiledPipeline, night: int) -> dict[str, NodeResult]:
    file = settings().var_dir / f"{compiled.name}.json"
    compiled.write(file)
    # Of one name in both pipelines, as the runs of two DAGs of one schedule are.
    return {item.id: run_node(item.id, night, f"scheduled-{night}", pipeline=file, week=0) for item in compiled.nodes}


def test_another_pipelines_baseline_survives_in_a_shared_root(deployed: Settings) -> None:
    root, releases = folders_of(deployed).artifacts, folders_of(deployed).releases
    theirs = compile_pipeline(neighbour.create_pipeline(str(root)), tiny_nights.PARAMETERS, HOOKS)
    ours = compiled_nights()
    [blessed] = run(theirs, 0)["Train"].outputs["model"]
    run(ours, 0)
    assert [item.id for item in run(theirs, 1)["Baseline"].outputs["model"]] == [blessed.id]
    # Not even where ours keeps the least, and theirs has newer runs that keep nothing of it.
    for night in (1, 2, 3):
        run(ours, night)
    for name, gone in ((neighbour.NAME, False), (tiny_nights.NAME, True)):
        before = Path(blessed.uri, "tflite").exists(), len(list(root.glob("Judge/blessing/*")))
        retention.prune(open_store(deployed.mlmd_url), name, root, releases, 1)
        after = Path(blessed.uri, "tflite").exists(), len(list(root.glob("Judge/blessing/*")))
        assert before[0] and after[0]
        assert (after[1] < before[1]) is gone


def test_what_another_pipelines_kept_run_has_read_is_kept(deployed: Settings) -> None:
    ours = compiled_nights()
    # The third is refused, so no release and no later run of ours needs it.
    [read], _, [unread], _ = (run(ours, night)["Train"].outputs["model"] for night in range(4))
    with open_store(deployed.mlmd_url) as handle:
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
    prune(deployed, push_dir=deployed.var_dir / "none")
    assert Path(read.uri).exists() and not Path(unread.uri).exists()
