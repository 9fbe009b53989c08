"""Quality of a model on the eval split: one figure, which headlines, tables, notices and histories show."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.results.percent import figure, percent

# By TFMA, whose name of the accuracy depends on the form of the output; else by EdgeValidator.
_ACCURACIES = ("sparse_categorical_accuracy", "binary_accuracy", "accuracy")
_MEAN_ERRORS = ("mean_absolute_error", "mean_error")


class Figure(NamedTuple):
    """A quality by its name. `text` is for a table with that name, `brief` says by itself what it is."""

    name: Literal["accuracy", "mean error"]
    value: float
    text: str
    brief: str


class Quality(BaseModel):
    """Accuracy in [0, 1] of a classification, or mean absolute error of a regression, in the unit of its label."""

    model_config = ConfigDict(frozen=True)

    accuracy: float | None = None
    mean_error: float | None = None
    unit: str = ""

    @property
    def figure(self) -> Figure | None:
        """Return the one of the two that the task has, if it is known."""
        if self.accuracy is not None:
            text = percent(self.accuracy)
            return Figure("accuracy", self.accuracy, text, text)
        if self.mean_error is not None:
            text = figure(self.mean_error, self.unit)
            return Figure("mean error", self.mean_error, text, f"MAE {text}")
        return None

    @property
    def text(self) -> str:
        """Return the figure for a table, "" if it is not known."""
        return self.figure.text if self.figure else ""


def quality_in(metrics: Mapping[str, float], unit: str = "") -> Quality:
    """Return the quality in metrics by name: a release's, or TFMA's over all examples."""
    accuracy, mean_error = (
        next((metrics[name] for name in names if name in metrics), None) for names in (_ACCURACIES, _MEAN_ERRORS)
    )
    return Quality(accuracy=accuracy, mean_error=mean_error, unit=unit)


def name_of(qualities: Iterable[Quality]) -> str:
    """Return the name of the first known figure, for a column. A release of an earlier task has another figure."""
    return next((found.figure.name for found in qualities if found.figure), "quality")
