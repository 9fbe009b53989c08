"""A run's context in ML Metadata, by its id, as any version of the runner named it."""

import pytest
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from nightlite.ondevice.in_tfx.compare import run_file


@pytest.fixture
def store() -> MetadataStore:
    config = metadata_store_pb2.ConnectionConfig()
    config.fake_database.SetInParent()
    made = MetadataStore(config)
    kind = made.put_context_type(metadata_store_pb2.ContextType(name="pipeline_run"))
    for name in ("night", "iris_tflite.night", "old"):
        made.put_contexts([metadata_store_pb2.Context(type_id=kind, name=name)])
    return made


@pytest.mark.parametrize(("run_id", "name"), [("night", "iris_tflite.night"), ("old", "old"), ("none", None)])
def test_a_runs_context_has_the_pipelines_name_before_the_id_or_the_id_alone(
    store: MetadataStore, run_id: str, name: str | None
) -> None:
    found = run_file._run_context(store, "iris_tflite", run_id)
    assert (found and found.name) == name
