"""Answers of a release to rows of a table: a label with its probability, or a number with its unit."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A release's answer to one row.

    Attributes:
      row: as in messages about the table: a CSV's header is row 1.
      label: the likeliest; None for a regression.
      probabilities: of every label; empty for a regression.
      value, unit: of a regression; None and "" for a class.
      release: the version that was asked.
    """

    model_config = ConfigDict(frozen=True)

    row: int
    label: str | None = None
    probabilities: dict[str, float] = {}
    value: float | None = None
    unit: str = ""
    release: int

    def __str__(self) -> str:
        if self.label is None:
            return f"{self.value:g} {self.unit}".strip()
        return self.label

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types, without what its task does not have."""
        ours = ("value", "unit") if self.label is None else ("label", "probabilities")
        return {name: getattr(self, name) for name in ("row", *ours, "release")}


def answers(
    outputs: NDArray[np.float32], labels: Sequence[str], unit: str, release: int, first_row: int
) -> Iterator[Answer]:
    """Yield the answer to each row.

    Args:
      outputs: of the file, float32 [n, …]. One value for two labels is the probability of the second.
      labels: the release's; none for a regression.
    """
    for row, output in enumerate(outputs.reshape(len(outputs), -1), start=first_row):
        if not labels:
            yield Answer(row=row, value=float(output[0]), unit=unit, release=release)
            continue
        values = [1 - float(output[0]), float(output[0])] if len(output) < len(labels) else output.tolist()
        probabilities = dict(zip(labels, values, strict=True))
        likeliest = max(probabilities, key=probabilities.__getitem__)
        yield Answer(row=row, label=likeliest, probabilities=probabilities, release=release)
