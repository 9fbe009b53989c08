"""Resolvers that find nothing, and inputs that are missing because of it.

In TFX's LocalDagRunner a run goes on after such a Resolver. A first run that may start from an earlier model needs
that, so here the Resolver succeeds without an output. A consumer with an optional input runs without it.

Upstream: none filed. For TFX 1.21.
"""

import sys

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types, execution_publish_utils, resolver_node_handler
from tfx.orchestration.portable.input_resolution import exceptions
from tfx.orchestration.portable.mlmd import context_lib
from tfx.proto.orchestration import execution_result_pb2, pipeline_pb2
from tfx.utils import typing_utils

# TFX makes them optional, and a Pusher without them pushes any model.
BLESSINGS = ("model_blessing", "infra_blessing")


class ResolverHandler(resolver_node_handler.ResolverNodeHandler):
    """TFX's handler of Resolvers, extended for one that finds nothing."""

    _found_nothing = False

    def run(
        self,
        mlmd_connection: metadata.Metadata,
        pipeline_node: pipeline_pb2.PipelineNode,
        pipeline_info: pipeline_pb2.PipelineInfo,
        pipeline_runtime_spec: pipeline_pb2.PipelineRuntimeSpec,
    ) -> data_types.ExecutionInfo:
        info = super().run(mlmd_connection, pipeline_node, pipeline_info, pipeline_runtime_spec)
        if self._found_nothing:
            print(f"{pipeline_node.node_info.id} has found nothing; what needs none of it goes on", flush=True)
            with mlmd_connection as handle:
                contexts = context_lib.prepare_contexts(handle, pipeline_node.contexts)
                execution_publish_utils.publish_internal_execution(handle, contexts, info.execution_id, {})
        return info

    def _build_error_output(self, code: int, msg: str | None = None) -> execution_result_pb2.ExecutorOutput:
        # TFX calls this where it caught the error, and keeps only the text.
        error = sys.exc_info()[1]
        if isinstance(error, exceptions.InputResolutionError):
            # An error of a strategy's own has a subclass or a cause. Its None has neither.
            unexplained = type(error) is exceptions.InputResolutionError and error.__cause__ is None
            self._found_nothing = unexplained or isinstance(error, exceptions.InsufficientInputError)
        return with_cause(super()._build_error_output(code, msg))


def with_cause(output: execution_result_pb2.ExecutorOutput) -> execution_result_pb2.ExecutorOutput:
    """Add a last line with the first cause of the error that is being handled. TFX's own says only where it was."""
    error = cause = sys.exc_info()[1]
    while cause and cause.__cause__:
        cause = cause.__cause__
    if error and cause is not error:
        first = str(cause).partition("\n")[0]
        output.execution_result.result_message += f"\n{error}: {type(cause).__name__}: {first}"
    return output


def missing_blessing(node: pipeline_pb2.PipelineNode, found: typing_utils.ArtifactMultiMap) -> str | None:
    """Return a sentence on a Pusher whose blessing does not exist, or None."""
    if node.node_info.type.base_type != metadata_store_pb2.ExecutionType.DEPLOY:
        return None
    for key in BLESSINGS:
        if key in node.inputs.inputs and not found.get(key):
            producers = _producers(node.inputs.inputs[key])
            return f"expected {producers} to have found a blessing ({key}). Received: none, so nothing is pushed"
    return None


def _producers(spec: pipeline_pb2.InputSpec) -> str:
    return " or ".join(sorted({channel.producer_node_query.id for channel in spec.channels})) or "a node"
