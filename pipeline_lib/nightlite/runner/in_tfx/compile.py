"""Compile the TFX pipeline into the one file that the DAG reads.

python -m nightlite.runner.in_tfx.compile [--output FILE]
"""

import argparse
import json
import sys
from pathlib import Path

from nightlite import native_log
from nightlite.deployment.settings_file import read_settings_file
from nightlite.errors import CompiledPipelineError, MnistLiteError
from nightlite.ondevice import run_parameters as run_params
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node, Parameter
from nightlite.settings import PIPELINE_NAME, Settings, settings

with native_log.muted():
    import tfx
    from google.protobuf import json_format
    from tfx import v1 as tfx_v1
    from tfx.dsl.compiler import compiler
    from tfx.proto.orchestration import pipeline_pb2

    from nightlite.ondevice.in_tfx.pipeline import create_pipeline
    from nightlite.runner.in_tfx import node_log
    from nightlite.runner.in_tfx import run_parameters as runtime_params

# What they do is done outside MLMD, where it may have been undone since: a cached answer could be wrong.
_NEVER_FROM_CACHE = {"tfx.components.pusher.component.Pusher"}
_SYSTEM_NODES = {
    "tfx.dsl.components.common.resolver.Resolver",
    "tfx.dsl.components.common.importer.Importer",
}


def compile_pipeline(pipeline: tfx_v1.dsl.Pipeline, described: tuple[Parameter, ...] = ()) -> CompiledPipeline:
    """Compile any TFX pipeline.

    Args:
      pipeline: what a `create_pipeline` returned.
      described: run parameters with bounds and descriptions. Those that nodes read are kept where the pipeline
        mentions them; those that the run reads always.

    Raises:
      CompiledPipelineError: the pipeline holds what cannot be run node by node under Airflow.
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
    runtime_params.nest(ir)
    known = {parameter.name: parameter for parameter in described}
    mentioned = {parameter.name: parameter for parameter in runtime_params.declared(ir)}
    kept = [name for name, parameter in known.items() if name in mentioned or parameter.read_by == "run"]
    order = kept + [name for name in mentioned if name not in known]
    return CompiledPipeline(
        tfx_version=tfx.__version__,
        name=ir.pipeline_info.id,
        nodes=tuple(_node(item.pipeline_node) for item in ir.nodes),
        parameters=tuple({**mentioned, **known}[name] for name in order),
        # Protobuf's maps have no order of their own; the file's bytes tell a warm server whether it is outdated.
        ir=json.loads(json.dumps(json_format.MessageToDict(ir), sort_keys=True)),
    )


def _node(node: pipeline_pb2.PipelineNode) -> Node:
    return Node(
        id=node.node_info.id,
        type=node.node_info.type.name,
        upstream=tuple(sorted(node.upstream_nodes)),
        system=node.node_info.type.name in _SYSTEM_NODES,
    )


def mnist_tflite(config: Settings) -> CompiledPipeline:
    """This project's own pipeline, every run parameter of `RunParams` open."""
    described = (*run_params.parameters(), *run_params.facts())
    pipeline = create_pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=str(config.pipeline_root),
        data_dir=str(config.data_dir),
        push_dir=str(config.push_dir),
        schema_file=config.schema_file if config.schema_file.exists() else None,
        run_values={
            parameter.name: runtime_params.runtime_parameter(parameter)
            for parameter in described
            if parameter.read_by == "nodes"
        },
    )
    return compile_pipeline(pipeline, described)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m nightlite.runner.in_tfx.compile", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--output", type=Path, help="default: the file that the DAG reads")
    options = parser.parse_args()
    node_log.quiet()
    try:
        read_settings_file()
        output = options.output or settings().compiled_path
        compiled = mnist_tflite(settings())
        compiled.write(output)
    except MnistLiteError as error:
        print(f"compile: {error}", file=sys.stderr)
        return 1
    print(f"compiled {compiled.name}: {len(compiled.nodes)} nodes, {output.stat().st_size:,} bytes, in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
