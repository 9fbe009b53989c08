"""Figures of models' answers to a split, whose examples are added batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.in_tfx.raw_examples import Labels
from nightlite.ondevice.report.contents import Agreement, MistakeKind, ModelFigures

# Of a kind, and of those on which two files differ.
MOST_SHOWN = 24
# Powers of ten: float kernels differ by 1e-7, a quantized file's by up to 1.
_EDGES = np.linspace(-8.0, 0.0, 17)

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Chosen = npt.NDArray[np.bool_]
Answers = Mapping[str, Floats]


@dataclass(frozen=True)
class Answered:
    """One example of the split, its label, and the models' answers to it by their names, each [...]."""

    index: int
    label: int | float
    answers: Answers


class Largest:
    """The examples with the largest values of those that are chosen. `count` is the number of all that were chosen.

    Of equal values, the first example comes first. NaN comes last.
    """

    def __init__(self, most: int = MOST_SHOWN) -> None:
        self.count = 0
        self._most = most
        self._kept: list[tuple[float, Answered]] = []

    def add(self, start: int, chosen: Chosen, values: npt.NDArray[Any], labels: Labels, answers: Answers) -> None:
        """Add a batch, whose first example has the index `start`. Chosen, values, labels and answers are [n, …]."""
        found = np.flatnonzero(chosen)
        self.count += len(found)
        for place in found[np.argsort(-values[found], kind="stable")][: self._most]:
            rows = {key: np.array(rows[place]) for key, rows in answers.items()}
            self._kept.append((float(values[place]), Answered(start + int(place), labels[place].item(), rows)))
        self._kept.sort(key=lambda item: (np.isnan(item[0]), -item[0]))
        del self._kept[self._most :]

    @property
    def examples(self) -> tuple[Answered, ...]:
        """Return the kept ones, the largest first."""
        return tuple(example for _, example in self._kept)


class Differences:
    """Absolute differences of two models' answers, over all outputs.

    Args:
      scale: the size of the outputs.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self._edges = _EDGES + np.ceil(np.log10(scale))
        self._counts = np.zeros(len(self._edges) - 1, np.int64)
        self._largest, self._sum, self._outputs, self._examples = 0.0, 0.0, 0, 0

    def add(self, one: Floats, other: Floats) -> None:
        """Add answers [n, …] of both models."""
        found = np.abs(one.astype(np.float64) - other)
        edges = self._edges
        largest = np.clip(np.log10(np.maximum(found.max(1), 10 ** edges[0])), edges[0], edges[-1])
        self._counts += np.histogram(largest, edges)[0]
        self._largest = float(np.maximum(self._largest, found.max()))  # NaN stays NaN
        self._sum += float(found.sum())
        self._outputs += found.size
        self._examples += len(found)

    def measured(self) -> dict[str, float | None]:
        """Return fields of CandidateMeasurements, None if not all differences are finite."""
        finite = np.isfinite(self._largest)
        return {
            "max_abs_difference": self._largest if finite else None,
            "mean_abs_difference": self._sum / self._outputs if finite else None,
        }

    def agreement(self, agreeing: int | None) -> Agreement:
        """Return them for the report."""
        return Agreement(
            examples=self._examples,
            agreeing=agreeing,
            largest_difference=self._largest,
            mean_difference=self._sum / self._outputs,
            edges=tuple(map(float, self._edges)),
            counts=tuple(map(int, self._counts)),
        )


class Tally(ABC):
    """Figures of models' answers to one split. Memory grows by no more than a few bytes an example.

    Args:
      pair: names of two models whose answers are compared example by example: a reference, and the other.
    """

    def __init__(self, pair: tuple[str, str]) -> None:
        self.pair = pair
        self.examples = 0

    @abstractmethod
    def add(self, labels: Labels, answers: Answers) -> None:
        """Add the next examples: labels [n], and each model's answers [n, …] by its name."""

    @abstractmethod
    def figures(self, key: str) -> ModelFigures:
        """Return a model's figures."""

    @abstractmethod
    def quality(self) -> dict[str, float | None]:
        """Return fields of CandidateMeasurements on the other model of the pair."""

    @abstractmethod
    def compare(self, key: str, other: str, sha256: str) -> Comparison:
        """Return the paired comparison of a file with another one, known by its sha256."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """Return the size of the reference's outputs."""

    @property
    @abstractmethod
    def differences(self) -> Differences:
        """Return the differences of the pair."""

    @property
    @abstractmethod
    def agreeing(self) -> int | None:
        """Return the number of examples to which the pair gives the same class, None in a regression."""

    @property
    @abstractmethod
    def mistakes(self) -> Mapping[MistakeKind, Largest]:
        """Return examples to look at, by kind, the most telling first."""

    @property
    @abstractmethod
    def differing(self) -> Largest:
        """Return examples with other classes of the pair, or all of a regression, the largest differences first."""
