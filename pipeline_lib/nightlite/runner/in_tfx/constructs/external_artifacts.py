"""Artifacts of other pipelines: `external_pipeline_artifact_query`, or another pipeline's outputs.

All pipelines of a deployment share one metadata store. `owner` is therefore ignored, as by TFX's LocalDagRunner.
"""

from tfx.dsl.compiler import constants
from tfx.proto.orchestration import pipeline_pb2

from nightlite.runner.in_tfx import run_parameters


def name_runs(node: pipeline_pb2.PipelineNode) -> None:
    """Name another pipeline's run as MLMD does. A pipeline says only the run's id, which is Airflow's."""
    for spec in node.inputs.inputs.values():
        for channel in spec.channels:
            texts = {query.type.name: query.name.field_value for query in channel.context_queries}
            pipeline = texts[constants.PIPELINE_CONTEXT_TYPE_NAME].string_value
            run = texts.get(constants.PIPELINE_RUN_CONTEXT_TYPE_NAME)
            if run and run.string_value and not run.string_value.startswith(run_parameters.run_name(pipeline, "")):
                run.string_value = run_parameters.run_name(pipeline, run.string_value)
