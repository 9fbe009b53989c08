"""A node's queries of MLMD's history, in a time that does not grow with the history.

TFX 1.21 loads every execution of each context, the whole pipeline's included, and intersects them. With 400 past
runs, ten cached nodes take 9 s. The newest context is the narrowest: a run is newer than its node, and a node newer
than its pipeline. It holds about a dozen executions. In the other contexts, only executions that are not older
than these can match. For the newest run, they are on the page of the newest ones. For an older run, each execution is
asked for its contexts, which MLMD searches without an index. A node's context is within its pipeline's by name.

For a cached answer TFX loads every execution that was answered from the cache. The newest one nearly always serves.

The newest is the one with the highest id, because a clock may be set back.

Upstream: tensorflow/tfx#1053, tensorflow/tfx#3304 and tensorflow/tfx#4719, all closed; ml-metadata lost its query
engine since, to which TFX had left this. For TFX and ml-metadata 1.21.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from ml_metadata.metadata_store import ListOptions, OrderByField, metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.orchestration import metadata
from tfx.orchestration.portable import cache_utils
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.types import artifact_utils

Context: TypeAlias = metadata_store_pb2.Context
Execution: TypeAlias = metadata_store_pb2.Execution
Outputs: TypeAlias = dict[str, list[types.Artifact]]
# Newest executions of a node in which a run's are searched, among those of parallel runs.
PAGE = 20
tfx_cached_outputs = cache_utils.get_cached_outputs


def executions_in_all(store: metadata_store.MetadataStore, contexts: Sequence[Context]) -> list[Execution]:
    """Return the executions that are in every one of `contexts`, oldest first; none without a context."""
    if not contexts:
        return []
    narrow = [one for one in contexts if not any(_is_within(other, one) for other in contexts)]
    newest = max(narrow, key=lambda context: context.id)
    found = store.get_executions_by_context(newest.id)
    for other in {context.id for context in narrow} - {newest.id}:
        found = _those_in(store, other, found)
    return sorted(found, key=lambda execution: execution.id)


def _those_in(store: metadata_store.MetadataStore, context_id: int, executions: Sequence[Execution]) -> list[Execution]:
    oldest = min((execution.id for execution in executions), default=0)
    ids = {execution.id for execution in _newest(store, context_id, PAGE)} if executions else set()
    if len(ids) < PAGE or min(ids) <= oldest:
        return [execution for execution in executions if execution.id in ids]
    return [
        execution
        for execution in executions
        if context_id in {context.id for context in store.get_contexts_by_execution(execution.id)}
    ]


def _newest(store: metadata_store.MetadataStore, context_id: int, limit: int) -> list[Execution]:
    options = ListOptions(limit=limit, order_by=OrderByField.ID, is_asc=False)
    found: list[Execution] = store.get_executions_by_context(context_id, options)
    return found


def _is_within(node: Context, pipeline: Context) -> bool:
    """Return whether a context is a node's of that pipeline. TFX's compiler names it `<pipeline>.<node>`."""
    return (node.type, pipeline.type) == ("node", "pipeline") and node.name.startswith(f"{pipeline.name}.")


def cached_outputs(metadata_handle: metadata.Metadata, cache_context: Context) -> Outputs | None:
    """Return the outputs of the newest successful execution of `cache_context` whose artifacts all exist."""
    for execution in _newest(metadata_handle.store, cache_context.id, 1):
        if execution_lib.is_execution_successful(execution):
            outputs: Outputs | None = cache_utils._get_outputs_of_execution(metadata_handle, execution.id)
            if outputs is not None and _are_there(outputs):
                return outputs
    every: Outputs | None = tfx_cached_outputs(metadata_handle, cache_context)
    return every


def _are_there(outputs: Outputs) -> bool:
    try:
        artifact_utils.verify_artifacts(outputs)
    except RuntimeError:
        return False
    return True


def executions_in_all_of(metadata_handle: metadata.Metadata, contexts: Iterable[Context]) -> list[Execution]:
    """Return `executions_in_all` by the arguments that TFX's execution_lib gives."""
    return executions_in_all(metadata_handle.store, list(contexts))


def newest_first(executions: Iterable[Execution]) -> list[Execution]:
    """Return the executions by falling id."""
    return sorted(executions, key=lambda execution: execution.id, reverse=True)


# (module of TFX, name in it, replacement)
REPLACEMENTS = (
    (channel_resolver, "_get_executions_by_all_contexts", executions_in_all),
    (execution_lib, "get_executions_associated_with_all_contexts", executions_in_all_of),
    (cache_utils, "get_cached_outputs", cached_outputs),
    (execution_lib, "sort_executions_newest_to_oldest", newest_first),
)


def install() -> None:
    """Install all replacements in this process. Repeating it changes nothing."""
    for module, name, ours in REPLACEMENTS:
        setattr(module, name, ours)
