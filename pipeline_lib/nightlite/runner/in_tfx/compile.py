"""Compile a TFX pipeline into the one file that the DAG reads."""

import json
from pathlib import Path

from nightlite import native_log
from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import FORCE, CompiledPipeline, Hooks, Node, Parameter

with native_log.muted():
    import tfx
    from google.protobuf import json_format
    from tfx import v1 as tfx_v1
    from tfx.dsl.compiler import compiler
    from tfx.proto.orchestration import pipeline_pb2

    from nightlite.runner.in_tfx import run_parameters
    from nightlite.runner.in_tfx.constructs import executors, external_artifacts, optional_edges, refusals, user_files

# Their effects are outside of MLMD and may have been undone.
_NEVER_FROM_CACHE = {"tfx.components.pusher.component.Pusher"}
_FORCE = Parameter(
    name=FORCE,
    type="bool",
    default=False,
    json_schema={"type": "boolean", "title": "force", "description": "Run every node, and answer none from the cache."},
    read_by="run",
)


def compile_pipeline(
    pipeline: tfx_v1.dsl.Pipeline, described: tuple[Parameter, ...] = (), hooks: Hooks | None = None
) -> CompiledPipeline:
    """Compile any TFX pipeline.

    Args:
      pipeline: the result of a `create_pipeline`.
      described: run parameters with bounds and descriptions. Those that nodes read are kept if the pipeline mentions
        them. Those that the run reads are always kept. `force` is one of every pipeline.
      hooks: where a product joins each run.

    Raises:
      CompiledPipelineError: the pipeline cannot be run node by node under Airflow. It names the construct.
    """
    refusals.refuse_pipeline(pipeline)
    ir = _intermediate_representation(pipeline)
    _without_end_node(ir)
    refusals.refuse_nodes(ir)
    _prepare(ir)
    run_parameters.nest(ir)
    before = {item.pipeline_node.node_info.id: item.pipeline_node for item in ir.nodes}
    return CompiledPipeline(
        tfx_version=tfx.__version__,
        name=ir.pipeline_info.id,
        nodes=tuple(_node(item.pipeline_node, before) for item in ir.nodes),
        parameters=_parameters(ir, described),
        hooks=hooks or Hooks(),
        # Protobuf's maps are unordered, but the same pipeline must give the same file.
        ir=json.loads(json.dumps(json_format.MessageToDict(ir), sort_keys=True)),
    )


def _intermediate_representation(pipeline: tfx_v1.dsl.Pipeline) -> pipeline_pb2.Pipeline:
    try:
        return compiler.Compiler().compile(pipeline)
    except (TypeError, ValueError, RuntimeError) as error:  # NotImplementedError is one of the last
        raise CompiledPipelineError(f"TFX cannot compile {pipeline.id}: {error}") from None


def _without_end_node(ir: pipeline_pb2.Pipeline) -> None:
    """Remove the node that stands for the pipeline's outputs. Other pipelines read those of the nodes themselves."""
    end = f"{ir.pipeline_info.id}_end"
    for item in list(ir.nodes):
        if item.pipeline_node.node_info.id == end and item.pipeline_node.node_info.type.name.endswith("_end"):
            ir.nodes.remove(item)
        elif end in item.pipeline_node.downstream_nodes:
            item.pipeline_node.downstream_nodes.remove(end)


def _prepare(ir: pipeline_pb2.Pipeline) -> None:
    """Fill in what TFX's own runner would know by itself, and take out what no file should hold."""
    root = ir.runtime_spec.pipeline_root.runtime_parameter.default_value
    root.string_value = str(Path(root.string_value).absolute())
    config = executors.deployment_config(ir)
    config.ClearField("metadata_connection_config")  # the store is a setting, and this one may hold a password
    ir.deployment_config.Pack(config)
    for item in ir.nodes:
        node = item.pipeline_node
        user_files.make_absolute(node)
        external_artifacts.name_runs(node)
        if node.node_info.type.name in _NEVER_FROM_CACHE:
            node.execution_options.caching_options.enable_cache = False


def _parameters(ir: pipeline_pb2.Pipeline, described: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    known = {parameter.name: parameter for parameter in described}
    mentioned = {parameter.name: parameter for parameter in run_parameters.declared(ir)}
    kept = [name for name, parameter in known.items() if name in mentioned or parameter.read_by == "run"]
    order = kept + [name for name in mentioned if name not in known]
    if FORCE not in order:
        order.append(FORCE)
    return tuple({FORCE: _FORCE, **mentioned, **known}[name] for name in order)


def _node(node: pipeline_pb2.PipelineNode, before: optional_edges.Nodes) -> Node:
    options = node.execution_options
    return Node(
        id=node.node_info.id,
        type=node.node_info.type.name,
        upstream=tuple(sorted(node.upstream_nodes)),
        optional=optional_edges.optional_upstream(node, before),
        system=node.node_info.type.name in executors.SYSTEM_NODES,
        retries=options.max_execution_retries if options.HasField("max_execution_retries") else None,
        timeout_seconds=options.execution_timeout_sec or None,
    )
