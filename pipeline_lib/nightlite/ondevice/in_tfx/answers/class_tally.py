"""Figures of a classification's answers: counts, sums and a few examples, whatever the size of the split."""

import itertools
from collections.abc import Mapping

import numpy as np

from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.in_tfx.answers import mcnemar
from nightlite.ondevice.in_tfx.answers.tally import Answers, Differences, Floats, Indices, Largest, Tally
from nightlite.ondevice.in_tfx.raw_examples import Labels
from nightlite.ondevice.report.contents import MistakeKind, ModelFigures

_SMALLEST = 1e-7  # Keras's epsilon: a probability of 0 is no infinite loss


class ClassTally(Tally):
    """Figures of probabilities, float32 [n, classes]."""

    def __init__(self, pair: tuple[str, str]) -> None:
        super().__init__(pair)
        self._agreeing = 0
        self._confusions: dict[str, Indices] = {}
        self._losses: dict[str, float] = {}
        # Examples that only the first file reads right, by the names of both.
        self._won: dict[tuple[str, str], int] = {}
        self._differences = Differences()
        self._disagree, self._both_err = Largest(), Largest()

    def add(self, labels: Labels, answers: Answers) -> None:
        chosen = {key: found.argmax(1) for key, found in answers.items()}
        for key, found in answers.items():
            self._count(key, labels, found, chosen[key])
        right = {key: found == labels for key, found in chosen.items()}
        for (one, ours), (other, theirs) in itertools.permutations(right.items(), 2):
            self._won[one, other] = self._won.get((one, other), 0) + int(np.sum(ours & ~theirs))
        self._compare_pair(labels, answers, chosen)
        self.examples += len(labels)

    def _count(self, key: str, labels: Labels, found: Floats, chosen: Indices) -> None:
        classes = found.shape[1]
        confusion = self._confusions.setdefault(key, np.zeros((classes, classes), np.int64))
        np.add.at(confusion, (labels, chosen), 1)
        probabilities = np.clip(found[np.arange(len(labels)), labels].astype(np.float64), _SMALLEST, 1)
        self._losses[key] = self._losses.get(key, 0.0) - float(np.log(probabilities).sum())

    def _compare_pair(self, labels: Labels, answers: Answers, chosen: Mapping[str, Indices]) -> None:
        reference, other = self.pair
        same = chosen[reference] == chosen[other]
        self._agreeing += int(same.sum())
        self._differences.add(answers[reference], answers[other])
        largest = np.abs(answers[reference] - answers[other]).max(1)
        self._disagree.add(self.examples, ~same, largest, labels, answers)
        err = same & (chosen[reference] != labels)
        self._both_err.add(self.examples, err, answers[reference].max(1), labels, answers)

    def figures(self, key: str) -> ModelFigures:
        confusion = self._confusions[key]
        totals = confusion.sum(1)
        return ModelFigures(
            accuracy=float(np.trace(confusion) / self.examples),
            loss=self._losses[key] / self.examples,
            class_accuracy=tuple(
                float(confusion[label, label] / total) if total else None for label, total in enumerate(totals)
            ),
            confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        )

    def quality(self) -> dict[str, float | None]:
        reference, other = map(self.figures, self.pair)
        return {
            "keras_agreement": self._agreeing / self.examples,
            "accuracy": other.accuracy,
            "keras_accuracy": reference.accuracy,
        }

    def compare(self, key: str, other: str, sha256: str) -> Comparison:
        return mcnemar.of_counts(self._won[key, other], self._won[other, key], self.examples, sha256)

    @property
    def scale(self) -> float:
        return 1.0

    @property
    def differences(self) -> Differences:
        return self._differences

    @property
    def agreeing(self) -> int | None:
        return self._agreeing

    @property
    def mistakes(self) -> Mapping[MistakeKind, Largest]:
        """Return examples on which the models disagree, most different first; then those on which both err."""
        return {"disagree": self._disagree, "both err": self._both_err}

    @property
    def differing(self) -> Largest:
        return self._disagree
