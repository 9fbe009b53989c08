"""Digits made up on the spot, and IDX files of them."""

import struct

import numpy as np
from numpy.typing import NDArray

from models.mnist.data.dataset import Split


def idx_bytes(array: NDArray[np.uint8], count: int | None = None) -> bytes:
    """Return `array` as an IDX file's bytes. `count` is a wrong count for the header."""
    dimensions = (len(array) if count is None else count, *array.shape[1:])
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *dimensions) + array.tobytes()


def make_split(count: int, seed: int = 0) -> Split:
    random = np.random.default_rng(seed)
    return Split(random.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8) % 10)
