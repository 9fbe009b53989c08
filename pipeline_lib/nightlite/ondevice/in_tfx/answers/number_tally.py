"""Figures of a regression's answers. Each label and each answer is kept, four bytes: a percentile asks for all."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.in_tfx.answers import mcnemar
from nightlite.ondevice.in_tfx.answers.tally import Answers, Differences, Floats, Largest, Tally
from nightlite.ondevice.in_tfx.raw_examples import Labels
from nightlite.ondevice.report.contents import MistakeKind, ModelFigures

_ERROR_BARS = 20
_MOST_POINTS = 200  # in a chart, and enough for its shape
_SEED = 0


class NumberTally(Tally):
    """Figures of numbers, float32 [n, 1]."""

    def __init__(self, pair: tuple[str, str], unit: str) -> None:
        super().__init__(pair)
        self._unit = unit
        self._labels: list[Labels] = []
        self._answers: dict[str, list[Floats]] = {}

    def add(self, labels: Labels, answers: Answers) -> None:
        self._labels.append(labels)
        for key, found in answers.items():
            self._answers.setdefault(key, []).append(found)
        self.examples += len(labels)

    def figures(self, key: str) -> ModelFigures:
        labels, found = self._all_labels(), self._all(key)
        absolute = errors(found, labels)
        signed = found.astype(np.float64).reshape(-1) - labels
        # Of the labels' spread, so that the charts of several models and nights have one scale.
        most = float(np.ptp(labels)) or 1.0
        counts, edges = np.histogram(np.clip(signed, -most / 2, most / 2), _ERROR_BARS, (-most / 2, most / 2))
        drawn = _drawn(len(labels))
        return ModelFigures(
            unit=self._unit,
            mean_error=float(absolute.mean()),
            p95_error=float(np.percentile(absolute, 95)),
            bias=float(signed.mean()),
            error_edges=tuple(map(float, edges)),
            error_counts=tuple(map(int, counts)),
            points=tuple(zip(labels[drawn].tolist(), found[drawn, 0].tolist(), strict=True)),
            points_drawn_of=None if len(drawn) == len(labels) else len(labels),
        )

    def quality(self) -> dict[str, float | None]:
        found = self.figures(self.pair[1])
        return {"mean_error": found.mean_error, "p95_error": found.p95_error}

    def compare(self, key: str, other: str, sha256: str) -> Comparison:
        """Return the sign test of the absolute errors, which is McNemar's of which file is nearer."""
        ours, theirs = (errors(self._all(name), self._all_labels()) for name in (key, other))
        found = mcnemar.compare(ours < theirs, theirs < ours, sha256)
        return found.model_copy(update={"error_change": float(ours.mean() - theirs.mean())})

    @property
    def scale(self) -> float:
        return scale(self._all(self.pair[0]))

    @property
    def differences(self) -> Differences:
        found = Differences(self.scale)
        found.add(*map(self._all, self.pair))
        return found

    @property
    def agreeing(self) -> int | None:
        return None

    @property
    def mistakes(self) -> Mapping[MistakeKind, Largest]:
        """Return all examples, the largest errors of the other model first."""
        return {"large error": self._largest(errors(self._all(self.pair[1]), self._all_labels()))}

    @property
    def differing(self) -> Largest:
        reference, other = map(self._all, self.pair)
        return self._largest(np.abs(reference - other).max(1))

    def _largest(self, values: npt.NDArray[Any]) -> Largest:
        found = Largest()
        answers = {key: self._all(key) for key in self._answers}
        found.add(0, np.full(self.examples, True), values, self._all_labels(), answers)
        return found

    def _all_labels(self) -> Labels:
        self._labels = [np.concatenate(self._labels)]
        return self._labels[0]

    def _all(self, key: str) -> Floats:
        self._answers[key] = [np.concatenate(self._answers[key])]
        return self._answers[key][0]


def errors(outputs: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Return the absolute errors of a regression, float64 [n]."""
    found: npt.NDArray[np.float64] = np.abs(outputs.astype(np.float64).reshape(-1) - labels)
    return found


def scale(outputs: Floats) -> float:
    """Return the size of a regression's outputs, 1 if there is none."""
    return float(np.max(np.abs(outputs), where=np.isfinite(outputs), initial=0)) or 1.0


def _drawn(count: int) -> npt.NDArray[np.int64]:
    """Return the indices of the examples in the chart: all, or so many of them at random, the same each time."""
    if count <= _MOST_POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(_SEED).choice(count, _MOST_POINTS, replace=False))
