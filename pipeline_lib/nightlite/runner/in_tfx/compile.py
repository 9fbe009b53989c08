"""Compile a TFX pipeline into the one file that the DAG reads."""

import json

from nightlite import native_log
from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import CompiledPipeline, Hooks, Node, Parameter

with native_log.muted():
    import tfx
    from google.protobuf import json_format
    from tfx import v1 as tfx_v1
    from tfx.dsl.compiler import compiler
    from tfx.proto.orchestration import pipeline_pb2

    from nightlite.runner.in_tfx import run_parameters

# Their effects are outside of MLMD and may have been undone.
_NEVER_FROM_CACHE = {"tfx.components.pusher.component.Pusher"}
_SYSTEM_NODES = {
    "tfx.dsl.components.common.resolver.Resolver",
    "tfx.dsl.components.common.importer.Importer",
}


def compile_pipeline(
    pipeline: tfx_v1.dsl.Pipeline, described: tuple[Parameter, ...] = (), hooks: Hooks | None = None
) -> CompiledPipeline:
    """Compile any TFX pipeline.

    Args:
      pipeline: the result of a `create_pipeline`.
      described: run parameters with bounds and descriptions. Those that nodes read are kept if the pipeline mentions
        them. Those that the run reads are always kept.
      hooks: where a product joins each run.

    Raises:
      CompiledPipelineError: the pipeline cannot be run node by node under Airflow.
    """
    ir = compiler.Compiler().compile(pipeline)
    if ir.execution_mode != pipeline_pb2.Pipeline.SYNC:
        raise CompiledPipelineError(
            "expected a pipeline that is run from its first node to its last, ExecutionMode.SYNC. "
            f"Received: {pipeline_pb2.Pipeline.ExecutionMode.Name(ir.execution_mode)}, in which each node runs forever"
        )
    for node in ir.nodes:
        if node.WhichOneof("node") == "sub_pipeline":
            raise CompiledPipelineError(
                f"{node.sub_pipeline.pipeline_info.id!r} is a pipeline within the pipeline, which cannot be rendered: "
                "add its components to the outer pipeline"
            )
        if node.pipeline_node.node_info.type.name in _NEVER_FROM_CACHE:
            node.pipeline_node.execution_options.caching_options.enable_cache = False
    if "__main__." in json_format.MessageToJson(ir.deployment_config):
        raise CompiledPipelineError("expected executors that can be imported. Received: one defined in __main__")
    run_parameters.nest(ir)
    known = {parameter.name: parameter for parameter in described}
    mentioned = {parameter.name: parameter for parameter in run_parameters.declared(ir)}
    kept = [name for name, parameter in known.items() if name in mentioned or parameter.read_by == "run"]
    order = kept + [name for name in mentioned if name not in known]
    return CompiledPipeline(
        tfx_version=tfx.__version__,
        name=ir.pipeline_info.id,
        nodes=tuple(_node(item.pipeline_node) for item in ir.nodes),
        parameters=tuple({**mentioned, **known}[name] for name in order),
        hooks=hooks or Hooks(),
        # Protobuf's maps are unordered, but the same pipeline must give the same file.
        ir=json.loads(json.dumps(json_format.MessageToDict(ir), sort_keys=True)),
    )


def _node(node: pipeline_pb2.PipelineNode) -> Node:
    return Node(
        id=node.node_info.id,
        type=node.node_info.type.name,
        upstream=tuple(sorted(node.upstream_nodes)),
        system=node.node_info.type.name in _SYSTEM_NODES,
    )
