"""Small components for the tests of TFX's constructs: each does one thing in milliseconds."""

from pathlib import Path
from typing import Any, ClassVar, TypedDict

import apache_beam as beam
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base import (
    base_beam_component,
    base_beam_executor,
    base_component,
    base_executor,
    executor_spec,
)
from tfx.orchestration.portable import base_driver
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import component_spec, standard_artifacts


@component
def Count(number: Parameter[int]) -> TypedDict("Counted", {"count": int, "word": str}):
    return {"count": number, "word": "many" if number > 5 else "few"}


@component
def Write(examples: OutputArtifact[standard_artifacts.Examples], span: Parameter[int] = 1):
    Path(examples.uri, "data").write_text(str(span))
    examples.span = span
    examples.set_string_custom_property("span", str(span))  # where SpanRangeStrategy looks


@component
def Read(examples: InputArtifact[standard_artifacts.Examples]) -> TypedDict("Read", {"text": str}):
    return {"text": Path(examples.uri, "data").read_text()}


@component
def ReadIfAny(examples: InputArtifact[standard_artifacts.Examples] = None) -> TypedDict("ReadIfAny", {"text": str}):
    return {"text": Path(examples.uri, "data").read_text() if examples else "nothing"}


@component
def Say(word: Parameter[str]) -> TypedDict("Said", {"text": str}):
    return {"text": word}


@component
def Add(first: Parameter[int], second: Parameter[int] = 0) -> TypedDict("Sum", {"total": int}):
    return {"total": first + second}


@component(use_beam=True)
def Beamed(
    words: OutputArtifact[standard_artifacts.Examples], pipeline: BeamComponentParameter[beam.Pipeline] = None
) -> TypedDict("Beamed", {"options": str}):
    with pipeline as p:
        _ = p | beam.Create(["a", "b"]) | beam.io.WriteToText(f"{words.uri}/words", shard_name_template="")
    return {"options": str(pipeline.options.display_data().get("job_name"))}


@component
def Fail() -> TypedDict("Failed", {"text": str}):
    raise ValueError("it never works")


class ShoutSpec(component_spec.ComponentSpec):
    PARAMETERS: ClassVar = {"word": component_spec.ExecutionParameter(type=str)}
    INPUTS: ClassVar = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples, optional=True)}
    OUTPUTS: ClassVar = {"text": component_spec.ChannelParameter(type=standard_artifacts.String)}


class ShoutExecutor(base_executor.BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        [text] = output_dict["text"]
        text.value = exec_properties["word"].upper()
        text.write(text.value)


class ShoutDriver(base_driver.BaseDriver):
    """A driver that changes an exec property."""

    def run(self, execution_info: Any) -> driver_output_pb2.DriverOutput:
        output = driver_output_pb2.DriverOutput()
        output.exec_properties["word"].string_value = f"{execution_info.exec_properties['word']}!"
        return output


class Shout(base_component.BaseComponent):
    SPEC_CLASS = ShoutSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ShoutExecutor)

    def __init__(self, word: Any):
        super().__init__(ShoutSpec(word=word, text=tfx.dsl.Channel(type=standard_artifacts.String)))


class BeamArgumentsExecutor(base_beam_executor.BaseBeamExecutor):
    """An executor that writes the Beam arguments that it was given."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        [text] = output_dict["text"]
        text.write(" ".join(self._beam_pipeline_args))


class BeamArguments(base_beam_component.BaseBeamComponent):
    SPEC_CLASS = ShoutSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BeamArgumentsExecutor)

    def __init__(self) -> None:
        super().__init__(ShoutSpec(word="", text=tfx.dsl.Channel(type=standard_artifacts.String)))
