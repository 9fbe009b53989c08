"""Interface of SpanExampleGen."""

from collections.abc import Mapping
from typing import ClassVar

from tfx import v1 as tfx
from tfx.components.example_gen import utils
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import channel, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from nightlite.ondevice.in_tfx.example_gen.driver import AS_OF, ASKED_SPAN, WINDOW, Driver
from nightlite.ondevice.in_tfx.example_gen.executor import Executor
from nightlite.runner.in_tfx.run_parameters import RunValue


class SpanExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
    """Parameters of ImportExampleGen, and those that select spans."""

    PARAMETERS: ClassVar = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        ASKED_SPAN: ExecutionParameter(type=str),
        WINDOW: ExecutionParameter(type=int),
        AS_OF: ExecutionParameter(type=str),
    }


class SpanExampleGen(base_component.BaseComponent):
    """Component that passes on the files of the spans of a run's parameters.

    TFX's own ImportExampleGen reads the newest span, or one fixed at compilation. The same spans have the same cache
    key, however they were selected. The artifact's `span` is the highest of them. Its `spans` and `sources` name all.

    Args:
      input_base: the folder of spans, as described in `nightlite/ondevice/spans.py`.
      input_config: its splits, each with a pattern that holds `{SPAN}`.
      run_values: `span`, `window` and `as_of`, as `nightlite.ondevice.spans.select` takes them.
    """

    SPEC_CLASS = SpanExampleGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, input_base: str, input_config: tfx.proto.Input, run_values: Mapping[str, RunValue]) -> None:
        spec = SpanExampleGenSpec(
            input_base=input_base,
            input_config=input_config,
            output_config=utils.make_default_output_config(input_config),
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
            output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
            examples=channel.Channel(type=standard_artifacts.Examples),
            **{ASKED_SPAN: run_values["span"], WINDOW: run_values["window"], AS_OF: run_values["as_of"]},
        )
        super().__init__(spec=spec)
