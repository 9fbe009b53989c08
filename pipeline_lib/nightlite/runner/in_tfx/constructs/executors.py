"""Executors of a pipeline's nodes, as its IR names them."""

from google.protobuf import any_pb2
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2

from nightlite.errors import CompiledPipelineError

SYSTEM_NODES = {
    "tfx.dsl.components.common.resolver.Resolver",
    "tfx.dsl.components.common.importer.Importer",
}


def deployment_config(ir: pipeline_pb2.Pipeline) -> pipeline_pb2.IntermediateDeploymentConfig:
    """Return what TFX's compiler says of executors, drivers and platforms."""
    config = pipeline_pb2.IntermediateDeploymentConfig()
    if not ir.deployment_config.Unpack(config):
        raise CompiledPipelineError(
            f"{ir.pipeline_info.id}: expected the executors as TFX's compiler writes them. "
            f"Received: {ir.deployment_config.type_url}"
        )
    return config


def class_path(spec: any_pb2.Any) -> str:
    """Return the name of an executor's or driver's class, "" for none in Python."""
    beam, python = executable_spec_pb2.BeamExecutableSpec(), executable_spec_pb2.PythonClassExecutableSpec()
    if spec.Unpack(beam):
        return str(beam.python_executor_spec.class_path)
    return str(python.class_path) if spec.Unpack(python) else ""
