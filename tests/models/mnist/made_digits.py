"""Digits made up on the spot, and IDX files of them."""

import dataclasses
import struct

import numpy as np
from numpy.typing import NDArray

from models.mnist.model.features import IMAGE_KEY
from models.mnist.on_device import MODEL
from nightlite.ondevice.in_tfx.ingest.examples import Split
from nightlite.ondevice.in_tfx.ingest.tfrecords import scale


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images float32 [n, 784] in [-0.5, 0.5], and labels int64 [n] in 0-9."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def idx_bytes(array: NDArray[np.uint8], count: int | None = None) -> bytes:
    """Return `array` as an IDX file's bytes. `count` is a wrong count for the header."""
    dimensions = (len(array) if count is None else count, *array.shape[1:])
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *dimensions) + array.tobytes()


def make_split(count: int, seed: int = 0) -> Split:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 28, 28), np.uint8)
    return Split({IMAGE_KEY: images}, np.arange(count, dtype=np.uint8) % 10)


def floats(split: Split) -> NDArray[np.float32]:
    """Return the images as a span has them: float32 [n, 784]."""
    return scale(split.inputs[IMAGE_KEY], MODEL.features[0].meaning)
