"""Refusals of constructs that a pipeline's IR may hold and the runner does not run, when it is compiled.

TFX's launcher ignores most of them without a word. docs/runner.md has the table of all constructs.
"""

from collections.abc import Iterator

from google.protobuf import any_pb2
from tfx import v1 as tfx_v1
from tfx.dsl.components.base import base_component
from tfx.dsl.components.base import base_driver as dsl_driver
from tfx.orchestration.portable import base_driver
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2

from nightlite.errors import CompiledPipelineError
from nightlite.runner.in_tfx.constructs import executors

_OPTIONS = pipeline_pb2.NodeExecutionOptions
_USUAL_TRIGGERS = (_OPTIONS.TRIGGER_STRATEGY_UNSPECIFIED, _OPTIONS.ALL_UPSTREAM_NODES_SUCCEEDED)


def refuse_pipeline(pipeline: tfx_v1.dsl.Pipeline) -> None:
    """Refuse a pipeline with a construct that would not be run, before it is compiled.

    Raises:
      CompiledPipelineError: it names the construct and the node.
    """
    for reason in (*_of_pipeline(pipeline), *_of_components(pipeline)):
        raise CompiledPipelineError(reason)


def refuse_nodes(ir: pipeline_pb2.Pipeline) -> None:
    """Refuse a pipeline with a node that would not be run as it says.

    Raises:
      CompiledPipelineError: it names the construct and the node.
    """
    specs = executors.deployment_config(ir)
    for item in ir.nodes:
        for reason in _of_node(item.pipeline_node, specs):
            raise CompiledPipelineError(f"{item.pipeline_node.node_info.id}: {reason}")


def _of_pipeline(pipeline: tfx_v1.dsl.Pipeline) -> Iterator[str]:
    if pipeline.execution_mode != tfx_v1.dsl.ExecutionMode.SYNC:
        yield (
            "expected a pipeline that is run from its first node to its last, ExecutionMode.SYNC. "
            f"Received: {pipeline.execution_mode.name}, in which each node runs forever"
        )
    for component in pipeline.components:
        if isinstance(component, tfx_v1.dsl.Pipeline):
            yield (
                f"{component.id!r} is a pipeline within the pipeline, which cannot be rendered: "
                "add its components to the outer pipeline"
            )
    if pipeline.inputs:
        yield (
            f"{pipeline.id}: expected nodes that read their channels directly. "
            f"Received: PipelineInputs ({', '.join(pipeline.inputs)})"
        )
    if pipeline.platform_config:
        yield (
            f"{pipeline.id}: expected no platform_config: a DAG's configuration belongs to "
            "AirflowPipelineConfig. Received: one of " + pipeline.platform_config.DESCRIPTOR.full_name
        )
    for key, output in pipeline.outputs.items():
        if key != output.wrapped.output_key:
            yield (
                f"{pipeline.id}: expected an output named {output.wrapped.output_key!r}, as by its node, where "
                f"TFX's compiler makes other pipelines look for it. Received: {key!r}"
            )
    root = pipeline.pipeline_info.pipeline_root
    if not isinstance(root, str) or not root or "://" in root:
        yield f"pipeline_root: expected a folder on a file system that every worker has. Received: {_shown(root)}"


def _shown(root: object) -> str:
    return repr(root) if isinstance(root, str | None) else "a placeholder"


def _of_components(pipeline: tfx_v1.dsl.Pipeline) -> Iterator[str]:
    for component in pipeline.components:
        driver = component.driver_class if isinstance(component, base_component.BaseComponent) else None
        if driver not in (None, dsl_driver.BaseDriver) and not issubclass(driver, base_driver.BaseDriver):
            yield (
                f"{component.id}: expected a driver with a method run(), a tfx.orchestration.portable BaseDriver. "
                f"Received: {driver.__name__}"
            )
        for name, value in component.exec_properties.items():
            # Its class is lost in the IR. Vertex AI alone replaces it.
            if type(value).__name__ == "FinalStatusStr":
                yield (
                    f"{component.id}: expected no exit handler (FinalStatusStr in {name}), which is Vertex AI's: "
                    "add a task after the DAG's last with AirflowPipelineConfig.finish"
                )


def _of_node(node: pipeline_pb2.PipelineNode, specs: pipeline_pb2.IntermediateDeploymentConfig) -> Iterator[str]:
    node_id, type_name = node.node_info.id, node.node_info.type.name
    executor = specs.executor_specs.get(node_id)
    if executor is None and type_name not in executors.SYSTEM_NODES:
        yield f"expected a component, a Resolver or an Importer. Received: {type_name.rpartition('.')[2]}"
    if executor is not None:
        yield from _of_executor(executor)
    if node_id in specs.node_level_platform_configs:
        yield "expected no .with_platform_config(): pool, queue and environment of a node are NodeSettings'"
    yield from _of_options(node.execution_options)
    for key, output in node.outputs.outputs.items():
        if output.HasField("garbage_collection_policy"):
            yield f"output {key}: expected no garbage_collection_policy, which only Google's own orchestrator obeys"
        if output.artifact_spec.is_async:
            yield f"output {key}: expected an output that is complete when the node is. Received: an async one"
    for key, spec in node.inputs.inputs.items():
        for channel in spec.channels:
            if any(query.HasField("property_predicate") for query in channel.context_queries):
                yield f"input {key}: expected no pipeline_run_tags, which TFX's open part ignores: use pipeline_run_id"


def _of_executor(executor: any_pb2.Any) -> Iterator[str]:
    if executor.Is(executable_spec_pb2.ContainerExecutableSpec.DESCRIPTOR):
        yield (
            "expected an executor in Python. Received: a container component: "
            "run its image as a task of your own, before or after the pipeline's nodes"
        )
        return
    class_path = executors.class_path(executor)
    if class_path.startswith("__main__."):
        yield "expected executors that can be imported. Received: one defined in __main__"
    elif "<locals>" in class_path:
        yield f"expected executors that can be imported. Received: one defined within a function, {class_path}"


def _of_options(options: pipeline_pb2.NodeExecutionOptions) -> Iterator[str]:
    if options.strategy not in _USUAL_TRIGGERS:
        yield (
            "expected the trigger strategy ALL_UPSTREAM_NODES_SUCCEEDED. "
            f"Received: {_OPTIONS.TriggerStrategy.Name(options.strategy)}"
        )
    if options.node_success_optional:
        yield "expected no success_optional: a node's failure ends what needs it"
    if options.HasField("resource_lifetime"):
        yield f"expected no lifetime_start. Received: {options.resource_lifetime.lifetime_start!r}"
    if options.run_mode != _OPTIONS.DEFAULT:
        yield f"expected the usual run mode. Received: {_OPTIONS.RunMode.Name(options.run_mode)}"
