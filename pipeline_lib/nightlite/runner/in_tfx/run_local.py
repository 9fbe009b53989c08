"""Run of the whole pipeline in one process with TFX's own LocalDagRunner, for debugging and as the yardstick."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx.orchestration import metadata
from tfx.orchestration.local import local_dag_runner
from tfx.proto.orchestration import pipeline_pb2

from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import node_log
from nightlite.runner.in_tfx.mlmd import running_nodes
from nightlite.runner.in_tfx.mlmd.outcome import read_outcome
from nightlite.runner.in_tfx.mlmd.store import connection_config, open_store
from nightlite.runner.in_tfx.node import bound_pipeline
from nightlite.runner.in_tfx.run_parameters import run_name
from nightlite.runner.node_result import NodeResult


def run_local(
    compiled: CompiledPipeline, run_id: str, metadata_url: str, parameters: Mapping[str, Any]
) -> dict[str, NodeResult]:
    """Run every node in order, in this process. An executor's error is raised unchanged.

    Returns:
      The nodes' results by node id.

    Raises:
      NodeRequestError: a run parameter is unknown or of another type.
      SettingsError: the metadata store's address is refused.
    """
    node_log.quiet(progress=True)
    pipeline = bound_pipeline(compiled, run_id, parameters)
    deployment_config = pipeline_pb2.IntermediateDeploymentConfig()
    pipeline.deployment_config.Unpack(deployment_config)
    deployment_config.metadata_connection_config.Pack(connection_config(metadata_url))
    pipeline.deployment_config.Pack(deployment_config)
    root = Path(pipeline.runtime_spec.pipeline_root.field_value.string_value)
    name = run_name(compiled.name, run_id)
    files = [running_nodes.file_of(root, f"{compiled.name}.{node.id}", name) for node in compiled.nodes]
    with contextlib.ExitStack() as held:
        for file in files:
            held.enter_context(running_nodes.held(file, name))
        local_dag_runner.LocalDagRunner().run_with_ir(pipeline)
        for file in files:
            running_nodes.remove(file)
    return _results(compiled, run_id, open_store(metadata_url))


def _results(compiled: CompiledPipeline, run_id: str, store: metadata.Metadata) -> dict[str, NodeResult]:
    with store as handle:
        run = handle.store.get_context_by_type_and_name("pipeline_run", run_name(compiled.name, run_id))
        nodes = {
            context.name.removeprefix(f"{compiled.name}."): execution.id
            for execution in handle.store.get_executions_by_context(run.id)
            for context in handle.store.get_contexts_by_execution(execution.id)
            if context.type == "node"
        }
    return {
        node_id: read_outcome(run_id, node_id, store, [execution_id], compiled.hooks)
        for node_id, execution_id in nodes.items()
    }
