"""Golden examples of a release: inputs, and what the file answers to them on any runtime.

An app's own test feeds them to the file. It finds a wrong file, a wrong runtime and a call by wrong names. The inputs
are those after an app's preprocessing, and prove nothing of it by themselves. docs/releases.md says how to test that.
"""

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

GOLDEN_FILE = "golden.json"
# More only where there are more classes: each example of an image is 5 kB.
LEAST_EXAMPLES = 10

# Flat, row by row. JSON has no NaN, so that is null.
Numbers = tuple[float | None, ...]


class GoldenExample(BaseModel):
    """One example of the eval split.

    Attributes:
      label: its true class, or number, which the file need not have found.
      inputs: as an app passes them, by the names of the signature.
      outputs: LiteRT's on the build host, by the names of the signature.
    """

    model_config = ConfigDict(frozen=True)

    label: str | float
    inputs: dict[str, Numbers]
    outputs: dict[str, Numbers]


class Golden(BaseModel):
    """Content of `golden.json`.

    Attributes:
      sha256: of the file that gave the outputs.
      tolerance: the largest difference of an output that another runtime may have.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    sha256: str
    tolerance: float
    examples: tuple[GoldenExample, ...] = Field(min_length=1)

    def write(self, folder: Path) -> None:
        (folder / GOLDEN_FILE).write_text(self.model_dump_json() + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Golden":
        return cls.model_validate_json((folder / GOLDEN_FILE).read_text(encoding="utf-8"))


def numbers(values: Iterable[float]) -> Numbers:
    """Return float32 values as the shortest numbers that are read back as the same, and NaN as None."""
    return tuple(None if math.isnan(value) else _shortest(value) for value in values)


def floats(found: Numbers) -> list[float]:
    """Return the numbers with NaN for None."""
    return [math.nan if value is None else value for value in found]


def _shortest(value: float) -> float:
    """Return the double of the shortest text whose float32 is this value: 0.1 for 0.10000000149011612."""
    wanted = struct.pack("f", value)
    texts = (f"{value:.{precision}g}" for precision in range(1, 9))
    return next((float(text) for text in texts if struct.pack("f", float(text)) == wanted), float(f"{value:.9g}"))
