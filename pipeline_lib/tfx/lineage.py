"""Which executions belong to all of some contexts, in a time that does not grow with the pipeline's history.

TFX 1.21 asks MLMD for every execution of each context, the whole pipeline's among them, and intersects: with 400 past
runs, ten cached nodes take 9 s. The newest context is the narrowest (a run is newer than its node, a node newer than
its pipeline), so asking only for its executions and then for their contexts gives the same answer from a run's dozen.
A node's context is within its pipeline's by its very name, which spares a Resolver, who does look at the whole history
of a node, a query per execution.
"""

from collections.abc import Iterable, Sequence

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.orchestration.portable.mlmd import execution_lib


def executions_in_all(
    store: metadata_store.MetadataStore, contexts: Sequence[metadata_store_pb2.Context]
) -> list[metadata_store_pb2.Execution]:
    """The executions that are in every one of `contexts`, oldest first; none for no context."""
    if not contexts:
        return []
    newest = max(contexts, key=lambda context: context.id)
    others = {context.id for context in contexts if not _is_within(newest, context)} - {newest.id}
    found = [
        execution
        for execution in store.get_executions_by_context(newest.id)
        if not others or others <= {context.id for context in store.get_contexts_by_execution(execution.id)}
    ]
    return sorted(found, key=lambda execution: (execution.create_time_since_epoch, execution.id))


def _is_within(node: metadata_store_pb2.Context, pipeline: metadata_store_pb2.Context) -> bool:
    """Whether the one is the context of a node of the other, which TFX's compiler names `<pipeline>.<node>`."""
    return (node.type, pipeline.type) == ("node", "pipeline") and node.name.startswith(f"{pipeline.name}.")


def _with_handle(
    metadata_handle: metadata.Metadata, contexts: Iterable[metadata_store_pb2.Context]
) -> list[metadata_store_pb2.Execution]:
    return executions_in_all(metadata_handle.store, list(contexts))


def install() -> None:
    """Put it in the place of TFX's two functions, in this process; doing so again changes nothing."""
    channel_resolver._get_executions_by_all_contexts = executions_in_all
    execution_lib.get_executions_associated_with_all_contexts = _with_handle
