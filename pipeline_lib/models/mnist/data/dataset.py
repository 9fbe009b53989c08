"""Handwritten digits in memory: every source returns them, every span is written from them."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.mnist.model.features import IMAGE_SIDE, NUM_CLASSES
from nightlite.errors import DataError


@dataclass(frozen=True)
class Split:
    """Examples of one split, at least one.

    `images` is uint8 [n, 28, 28], 0 background to 255 ink. `labels` is uint8 [n], 0 to 9.

    Raises:
      DataError: the two do not belong together.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape = (len(self.labels), IMAGE_SIDE, IMAGE_SIDE)
        if not len(self.labels) or self.images.shape != shape:
            raise DataError(f"expected one or more images of shape {shape}. Received: {self.images.shape}")

    def __len__(self) -> int:
        return len(self.labels)

    def per_class(self) -> tuple[int, ...]:
        """Return the numbers of examples of 0, 1, … 9."""
        return tuple(int(count) for count in np.bincount(self.labels, minlength=NUM_CLASSES))

    def sha256(self) -> str:
        """Return the hash of all images' bytes, then all labels', which is independent of the files."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)  # not tobytes(): it would copy half a gigabyte
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """A train and an eval split, and their source."""

    source: str
    train: Split
    eval: Split

    @property
    def splits(self) -> dict[str, Split]:
        """Return the splits by TFX's names."""
        return {"train": self.train, "eval": self.eval}
