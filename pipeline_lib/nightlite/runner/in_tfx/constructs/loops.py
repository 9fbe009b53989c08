"""Loops: nodes within `ForEach`, once for each of their inputs.

TFX's launcher refuses more than one input ("not implemented yet"). Here, each is an execution of its own, as in
Google's own orchestrator. The nodes after the loop read the outputs of all.
"""

from collections.abc import Iterator

from tfx.orchestration import metadata
from tfx.orchestration.portable import inputs_utils
from tfx.proto.orchestration import pipeline_pb2


def is_loop(node: pipeline_pb2.PipelineNode) -> bool:
    """Return whether a node is within `ForEach`."""
    graphs = node.inputs.input_graphs.values()
    kinds = {graph.nodes[graph.result_node].output_data_type for graph in graphs}
    return pipeline_pb2.InputGraph.ARTIFACT_MULTIMAP_LIST in kinds


def passes(node: pipeline_pb2.PipelineNode, store: metadata.Metadata) -> Iterator[pipeline_pb2.PipelineNode]:
    """Yield the node once for each of its inputs, which are fixed in it.

    Raises:
      Exception: TFX's own, if the inputs cannot be resolved.
    """
    with store as handle:
        resolved = inputs_utils.resolve_input_artifacts(pipeline_node=node, metadata_handle=handle)
    for found in resolved:
        one = pipeline_pb2.PipelineNode()
        one.CopyFrom(node)
        one.inputs.Clear()
        for key, artifacts in found.items():
            # TFX cannot say "none" of a static input. A missing one is an optional input without a value.
            if artifacts:
                one.inputs.inputs[key].static_inputs.artifact_ids.extend(artifact.id for artifact in artifacts)
        yield one
