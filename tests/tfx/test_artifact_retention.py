"""Which runs' artifacts stay, asked of a store that two pipelines share."""

from pathlib import Path

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline_lib.tfx import artifact_retention
from pipeline_lib.tfx.metadata_store import connection_config


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
