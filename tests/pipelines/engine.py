"""A pipeline of one Beam node, which writes while it waits for a file, for the tests of an engine."""

import os
import time
from pathlib import Path
from typing import TypedDict

import apache_beam as beam
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

NAME = "engine"
NUMBERS = 20
_LONGEST_SECONDS = 600


def write_until_told(number: int, output: str, folder: str) -> int:
    """Write `number` to the output; then, unless there is a file `go`, go on writing a line ten times a second."""
    Path(folder, "worker").write_text(str(os.getpid()))
    for _ in range(10 * _LONGEST_SECONDS):
        Path(output).mkdir(parents=True, exist_ok=True)
        with Path(output, f"{number}.txt").open("a") as opened:
            opened.write(f"{number}\n")
        if Path(folder, "go").exists():
            return number
        time.sleep(0.1)
    raise TimeoutError("nobody said go")


@component(use_beam=True)
def Writing(
    folder: Parameter[str],
    examples: OutputArtifact[standard_artifacts.Examples],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> TypedDict("WritingOutputs", {"runner": str}):
    with beam_pipeline as pipeline:
        numbers = pipeline | beam.Create(range(NUMBERS)) | beam.Reshuffle()
        _ = numbers | beam.Map(write_until_told, examples.uri, folder)
    return {"runner": type(beam_pipeline.runner).__name__}


def create_pipeline(pipeline_root: str, folder: str) -> tfx.dsl.Pipeline:
    return tfx.dsl.Pipeline(NAME, pipeline_root, components=[Writing(folder=folder)])
