"""Measures of models' answers by the task: the form of answers and labels, and the tally of them."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from nightlite.ondevice.contract.golden import LEAST_EXAMPLES
from nightlite.ondevice.in_tfx.answers import number_tally
from nightlite.ondevice.in_tfx.answers.class_tally import ClassTally
from nightlite.ondevice.in_tfx.answers.number_tally import NumberTally
from nightlite.ondevice.in_tfx.answers.tally import Floats, Indices, Tally
from nightlite.ondevice.in_tfx.raw_examples import Labels
from nightlite.ondevice.task import Classification, Regression, Task


class TaskMeasures(ABC):
    """Measures of one task. Outputs are float32 [n, …] and labels [n], both in the order of the examples."""

    label_type: type[np.generic]

    @abstractmethod
    def answers(self, outputs: Floats) -> Floats:
        """Return outputs in the form that a tally takes."""

    @abstractmethod
    def label(self, value: Any) -> str | float:
        """Return an example's label for readers."""

    @abstractmethod
    def groups(self, labels: Labels) -> Indices:
        """Return the group of each example, int64 [n]. Each group has a golden example."""

    @abstractmethod
    def scale(self, outputs: Floats) -> float:
        """Return the size of the outputs, by which a tolerance for outputs in [0, 1] is multiplied."""

    @abstractmethod
    def tally(self, pair: tuple[str, str]) -> Tally:
        """Return a tally without examples, which compares this pair of models."""


class ClassMeasures(TaskMeasures):
    """Measures of probabilities, float32 [n, classes]."""

    label_type = np.int64

    def __init__(self, task: Classification) -> None:
        self._names = task.labels

    def answers(self, outputs: Floats) -> Floats:
        """Return a probability for each class. One alone is the second class's, which is the answer above 0.5."""
        return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs

    def label(self, value: Any) -> str:
        return self._names[int(value)]

    def groups(self, labels: Labels) -> Indices:
        return labels

    def scale(self, outputs: Floats) -> float:
        return 1.0

    def tally(self, pair: tuple[str, str]) -> Tally:
        return ClassTally(pair)


class NumberMeasures(TaskMeasures):
    """Measures of numbers, float32 [n, 1]."""

    label_type = np.float32

    def __init__(self, task: Regression) -> None:
        self._unit = task.unit

    def answers(self, outputs: Floats) -> Floats:
        return outputs

    def label(self, value: Any) -> float:
        return float(value)

    def groups(self, labels: Labels) -> Indices:
        """Return groups of equal size, from the least labels to the largest, so that golden examples span the range."""
        rank = np.searchsorted(np.sort(labels), labels)
        return rank * LEAST_EXAMPLES // len(labels)

    def scale(self, outputs: Floats) -> float:
        return number_tally.scale(outputs)

    def tally(self, pair: tuple[str, str]) -> Tally:
        return NumberTally(pair, self._unit)


def measures_of(task: Task) -> TaskMeasures:
    """Return the measures of a model's task."""
    return NumberMeasures(task) if isinstance(task, Regression) else ClassMeasures(task)
