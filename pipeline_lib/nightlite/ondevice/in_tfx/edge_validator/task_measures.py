"""Measures of models' answers on the eval split, by the task. EdgeValidator and ModelReport read them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nightlite.ondevice.contract.golden import LEAST_EXAMPLES
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.in_tfx.edge_validator import mcnemar
from nightlite.ondevice.in_tfx.edge_validator.eval_answers import Floats, Indices
from nightlite.ondevice.in_tfx.raw_examples import Labels
from nightlite.ondevice.task import Classification, Regression, Task


class TaskMeasures(ABC):
    """Measures of one task. Outputs are float32 [n, …] and labels [n], both in the order of the examples."""

    label_type: type[np.generic]

    @abstractmethod
    def answers(self, outputs: Floats) -> Floats:
        """Return outputs in the form that the other measures take."""

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
    def quality(self, outputs: Floats, keras: Floats, labels: Labels) -> dict[str, float]:
        """Return fields of CandidateMeasurements from the file's answers and Keras's."""

    @abstractmethod
    def compare(self, outputs: Floats, others: Floats, labels: Labels, sha256: str) -> Comparison:
        """Return the comparison with another file, known by its sha256."""

    @abstractmethod
    def odd_ones(self, labels: Labels, keras: Floats, tflite: Floats) -> dict[str, Indices]:
        """Return the indices of examples to look at, by kind, the most telling first."""


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

    def quality(self, outputs: Floats, keras: Floats, labels: Labels) -> dict[str, float]:
        chosen, wanted = outputs.argmax(axis=1), keras.argmax(axis=1)
        return {
            "keras_agreement": float(np.mean(chosen == wanted)),
            "accuracy": float(np.mean(chosen == labels)),
            "keras_accuracy": float(np.mean(wanted == labels)),
        }

    def compare(self, outputs: Floats, others: Floats, labels: Labels, sha256: str) -> Comparison:
        return mcnemar.compare(outputs.argmax(axis=1) == labels, others.argmax(axis=1) == labels, sha256)

    def odd_ones(self, labels: Labels, keras: Floats, tflite: Floats) -> dict[str, Indices]:
        """Return examples on which the models disagree, most different first; then those on which both err."""
        predicted = keras.argmax(1)
        differ = predicted != tflite.argmax(1)
        err = ~differ & (predicted != labels)
        return {"disagree": _ordered(differ, np.abs(keras - tflite).max(1)), "both err": _ordered(err, keras.max(1))}


class NumberMeasures(TaskMeasures):
    """Measures of numbers, float32 [n, 1]."""

    label_type = np.float32

    def answers(self, outputs: Floats) -> Floats:
        return outputs

    def label(self, value: Any) -> float:
        return float(value)

    def groups(self, labels: Labels) -> Indices:
        """Return groups of equal size, from the least labels to the largest, so that golden examples span the range."""
        rank = np.searchsorted(np.sort(labels), labels)
        return rank * LEAST_EXAMPLES // len(labels)

    def scale(self, outputs: Floats) -> float:
        return float(np.max(np.abs(outputs), where=np.isfinite(outputs), initial=0)) or 1.0

    def quality(self, outputs: Floats, keras: Floats, labels: Labels) -> dict[str, float]:
        found = errors(outputs, labels)
        return {"mean_error": float(found.mean()), "p95_error": float(np.percentile(found, 95))}

    def compare(self, outputs: Floats, others: Floats, labels: Labels, sha256: str) -> Comparison:
        """Return the sign test of the absolute errors, which is McNemar's of which file is nearer."""
        ours, theirs = errors(outputs, labels), errors(others, labels)
        found = mcnemar.compare(ours < theirs, theirs < ours, sha256)
        return found.model_copy(update={"error_change": float(ours.mean() - theirs.mean())})

    def odd_ones(self, labels: Labels, keras: Floats, tflite: Floats) -> dict[str, Indices]:
        """Return all examples, the file's largest errors first."""
        found = errors(tflite, labels)
        return {"large error": _ordered(np.full(len(labels), True), found)}


def measures_of(task: Task) -> TaskMeasures:
    """Return the measures of a model's task."""
    return NumberMeasures() if isinstance(task, Regression) else ClassMeasures(task)


def errors(outputs: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Return the absolute errors of a regression, float64 [n]."""
    found: npt.NDArray[np.float64] = np.abs(outputs.astype(np.float64).reshape(-1) - labels)
    return found


def difference(outputs: Floats, keras: Floats) -> Mapping[str, float | None]:
    """Return the largest and the mean difference of two models' answers, None if not all are finite."""
    found = np.abs(outputs - keras)
    finite = bool(np.isfinite(found).all())
    return {
        "max_abs_difference": float(found.max()) if finite else None,
        "mean_abs_difference": float(found.mean()) if finite else None,
    }


def _ordered(chosen: npt.NDArray[np.bool_], order: npt.NDArray[Any]) -> Indices:
    indices = np.flatnonzero(chosen)
    return indices[np.argsort(-order[indices], kind="stable")]
