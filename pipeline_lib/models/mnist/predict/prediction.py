"""Predictions: a digit for each picture, or the reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.mnist.predict import pictures
from models.mnist.predict.ink import UnclearPictureError
from models.mnist.predict.recognition import Answer, Recogniser
from nightlite.errors import DataError
from nightlite.ondevice.results.percent import percent
from nightlite.ondevice.settings import Settings

SURE, FAILED, NOT_SURE = 0, 1, 3


@dataclass(frozen=True)
class Prediction:
    """One picture's prediction.

    Attributes:
      image: uint8 [28, 28], as MNIST would hold it; None if the picture shows no single mark.
      answer: the release's; None without an image.
      unclear: the picture's content instead of one mark.
      error: the reason why the file cannot be read.
    """

    image: NDArray[np.uint8] | None = None
    answer: Answer | None = None
    unclear: str = ""
    error: str = ""

    @property
    def not_sure(self) -> str:
        """Return the reason why no digit is reliable, or "" if one is, or if the file cannot be read."""
        if self.answer and not self.answer.sure:
            return (
                f"{self.answer.digit} is the likeliest, at {percent(self.answer.probabilities[self.answer.digit], 0)}"
            )
        return self.unclear

    @property
    def exit_code(self) -> int:
        if self.error:
            return FAILED
        return NOT_SURE if self.not_sure else SURE

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types. `digit` is null unless it is reliable."""
        found: dict[str, Any] = {"digit": None, **(self.answer.model_dump() if self.answer else {})}
        if self.error:
            found["error"] = self.error
        elif self.not_sure:
            found |= {"digit": None, "not_sure": self.not_sure}
        return found


def predict(paths: Sequence[Path], settings: Settings, version: int | None = None) -> list[Prediction]:
    """Ask a release, by default the latest, about each picture. A bad picture does not affect the others.

    Raises:
      ReleaseError: there is a picture to ask about, but no usable release.
    """
    found = [_read(path) for path in paths]
    images = [prediction.image for prediction in found if prediction.image is not None]
    answers = iter(Recogniser(settings, version).recognise(images) if images else ())
    return [item if item.image is None else replace(item, answer=next(answers)) for item in found]


def exit_code(predictions: Sequence[Prediction]) -> int:
    """Return 1 if a file cannot be read, else 3 if a picture is not sure, else 0."""
    codes = {prediction.exit_code for prediction in predictions}
    return FAILED if FAILED in codes else max(codes, default=SURE)


def _read(path: Path) -> Prediction:
    try:
        return Prediction(image=pictures.read(path))
    except UnclearPictureError as error:
        return Prediction(unclear=str(error))
    except DataError as error:
        return Prediction(error=str(error))
