"""Edges of a pipeline that no node waits for in vain: those of optional inputs from nodes that may be skipped.

TFX's LocalDagRunner runs a node whose optional input comes from a node under a false `Cond`. Airflow would skip it.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from ml_metadata.proto import metadata_store_pb2
from tfx.proto.orchestration import pipeline_pb2

from nightlite.runner.in_tfx.constructs import executors, loops, resolver_handler

Nodes: TypeAlias = Mapping[str, pipeline_pb2.PipelineNode]


def optional_upstream(node: pipeline_pb2.PipelineNode, before: Nodes) -> tuple[str, ...]:
    """Return the nodes directly before a node that may be skipped without it.

    Args:
      node: the node.
      before: all nodes before it, by id.
    """
    if node.node_info.type.name in executors.SYSTEM_NODES:
        return ()
    producers: dict[bool, set[str]] = {True: set(), False: set()}
    for key, spec in node.inputs.inputs.items():
        if not spec.hidden:
            producers[spec.min_count > 0 or _is_awaited(node, key)].update(_producers(node, spec))
    optional = set(node.upstream_nodes) & (producers[False] - producers[True])
    return tuple(sorted(name for name in optional if may_be_skipped(before[name], before)))


def may_be_skipped(node: pipeline_pb2.PipelineNode, before: Nodes) -> bool:
    """Return whether a node, or one before it, is under a condition, in a loop, or has a resolver that skips."""
    ops = [item.op_node.op_type for graph in node.inputs.input_graphs.values() for item in graph.nodes.values()]
    own = bool(node.inputs.conditionals) or loops.is_loop(node) or any("SkipIf" in op for op in ops)
    return own or any(may_be_skipped(before[name], before) for name in node.upstream_nodes)


def _is_awaited(node: pipeline_pb2.PipelineNode, key: str) -> bool:
    """Return whether it is a blessing that a Pusher waits for. TFX makes them optional."""
    is_pusher = node.node_info.type.base_type == metadata_store_pb2.ExecutionType.DEPLOY
    return is_pusher and key in resolver_handler.BLESSINGS


def _producers(node: pipeline_pb2.PipelineNode, spec: pipeline_pb2.InputSpec) -> Iterator[str]:
    for channel in spec.channels:
        yield channel.producer_node_query.id
    graph = node.inputs.input_graphs.get(spec.input_graph_ref.graph_id)
    inner = [item.input_node.input_key for item in graph.nodes.values()] if graph else []
    for key in filter(None, (*spec.mixed_inputs.input_keys, *inner)):
        yield from _producers(node, node.inputs.inputs[key])
