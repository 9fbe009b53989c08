"""The whole pipeline in one process with TFX's own LocalDagRunner: for debugging, and as the yardstick."""

from collections.abc import Mapping
from typing import Any

from tfx.orchestration.local import local_dag_runner
from tfx.proto.orchestration import pipeline_pb2

from pipeline_lib.graph import CompiledPipeline
from pipeline_lib.tfx.metadata_store import connection_config
from pipeline_lib.tfx.node import bound_pipeline


def run_local(compiled: CompiledPipeline, run_id: str, metadata_url: str, parameters: Mapping[str, Any]) -> None:
    """Run every node in order, in this process; whatever an executor raises comes through.

    Raises:
      NodeRequestError: a run parameter is unknown or of another type.
      SettingsError: the metadata store's address is refused.
    """
    pipeline = bound_pipeline(compiled, run_id, parameters)
    deployment = pipeline_pb2.IntermediateDeploymentConfig()
    pipeline.deployment_config.Unpack(deployment)
    deployment.metadata_connection_config.Pack(connection_config(metadata_url))
    pipeline.deployment_config.Pack(deployment)
    local_dag_runner.LocalDagRunner().run_with_ir(pipeline)
