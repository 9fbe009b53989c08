"""Executor of SpanExampleGen: ImportExampleGen's executor, reading one pattern per span."""

from typing import Any

import apache_beam as beam
from tfx.components.example_gen.import_example_gen import executor as import_example_gen

PATTERN_SEPARATOR = ","


class Executor(import_example_gen.Executor):
    """Executor that reads all patterns of a split into one. TFX orders the examples by their content."""

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        """Return TFX's transform, extended to patterns joined by PATTERN_SEPARATOR."""
        read_one = super().GetInputSourceToExamplePTransform()

        @beam.ptransform_fn
        def ReadSpans(pipeline: beam.Pipeline, exec_properties: dict[str, Any], patterns: str) -> beam.PCollection:
            first, *others = patterns.split(PATTERN_SEPARATOR)
            if not others:
                return pipeline | "Read" >> read_one(exec_properties, first)
            return [
                pipeline | f"Read[{pattern}]" >> read_one(exec_properties, pattern) for pattern in (first, *others)
            ] | beam.Flatten()

        return ReadSpans
