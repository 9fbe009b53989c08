"""Quantization of the file on phones. The Trainers import this module, and train again when it changes."""

from collections.abc import Mapping
from typing import Final, Literal

Quantization = Literal["none", "dynamic", "float16", "int8"]

# Largest difference of an output between two runtimes on a CPU, for the gate `compiled_model` and for golden examples:
# two to ten times what was measured. docs/decisions/0006-quantization.md has the figures.
TOLERANCES: Final[Mapping[str, float]] = {"none": 1e-5, "float16": 1e-5, "dynamic": 0.3, "int8": 0.1}
