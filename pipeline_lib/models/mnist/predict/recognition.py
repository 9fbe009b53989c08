"""A release's answers to images: the likeliest label of each, and every label's probability."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.mnist.on_device import MODEL
from nightlite.ondevice.in_tfx.predict.released_model import ReleasedModel
from nightlite.ondevice.settings import Settings

# Below it, no digit is likely: it may be a letter or a scribble.
LEAST_PROBABILITY = 0.5


class Answer(BaseModel):
    """A release's answer for one image: the likeliest label, and every label's probability."""

    model_config = ConfigDict(frozen=True)

    digit: str
    probabilities: dict[str, float]
    release: int

    @property
    def sure(self) -> bool:
        """Return whether the likeliest label is likely enough to rely on."""
        return self.probabilities[self.digit] >= LEAST_PROBABILITY


class Recogniser(ReleasedModel):
    """One loaded release, whose file, signature and golden examples were checked.

    Args:
      settings: where the releases are, and the key that must have signed them, if any.
      version: default: the latest.

    Raises:
      ReleaseError: there is no such release, or it must not be used.
    """

    def __init__(self, settings: Settings, version: int | None = None) -> None:
        super().__init__(MODEL, settings, version)

    def recognise(self, images: Sequence[NDArray[np.uint8]]) -> list[Answer]:
        """Return an answer for each image.

        Args:
          images: each uint8 [28, 28], light ink on 0.
        """
        [taken], labels = self.features, self.release.manifest.labels
        return [
            Answer(
                digit=labels[int(row.argmax())],
                probabilities={label: float(value) for label, value in zip(labels, row, strict=True)},
                release=self.release.version,
            )
            for row in self.ask({taken.tensor.name: np.stack(images)})
        ]
