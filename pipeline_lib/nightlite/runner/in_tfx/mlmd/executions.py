"""Executions of one node in one run, as MLMD has them."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import types

from nightlite.runner.in_tfx.mlmd import lineage

Execution: TypeAlias = metadata_store_pb2.Execution


def of_node(store: metadata_store.MetadataStore, run_name: str, node_name: str) -> list[Execution]:
    """Return them oldest first."""
    run = store.get_context_by_type_and_name("pipeline_run", run_name)
    node = store.get_context_by_type_and_name("node", node_name) if run else None
    return lineage.executions_in_all(store, [run, node]) if node else []


def had_inputs(
    store: metadata_store.MetadataStore, execution: Execution, inputs: Mapping[str, Sequence[types.Artifact]]
) -> bool:
    """Return whether an execution of this run had these inputs. The Pusher before it may have run again since."""
    events = store.get_events_by_execution_ids([execution.id])
    had = {event.artifact_id for event in events if event.type == metadata_store_pb2.Event.INPUT}
    return {artifact.id for artifacts in inputs.values() for artifact in artifacts} <= had
