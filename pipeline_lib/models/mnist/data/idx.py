"""Read the IDX files that MNIST is published in, and refuse incomplete ones.

IDX (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats") starts with
two zero bytes. One byte for the data type (8: unsigned byte) and one for the number of dimensions follow. Then come
each dimension as a big-endian unsigned 32-bit integer, and the data, row-major. The public files are gzip-compressed.

The library idx2numpy (PyPI, last release 2020) is not used. It reads as many bytes as the header promises, and its
errors name no file.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.mnist.model.features import IMAGE_SIDE, NUM_CLASSES
from nightlite.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_images(path: Path) -> NDArray[np.uint8]:
    """Return the images of one IDX file, gzip-compressed or not: uint8 [n, 28, 28], 0 paper to 255 ink, read-only.

    Raises:
      DataError: the file is missing, truncated, corrupt, over-long, empty, or holds anything but 28 x 28 images.
    """
    return _read(path, (IMAGE_SIDE, IMAGE_SIDE))


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Return the labels of one IDX file, gzip-compressed or not: uint8 [n], each 0 to 9, read-only.

    Raises:
      DataError: the file is missing, truncated, corrupt, over-long, empty, or holds a label outside 0 to 9.
    """
    labels = _read(path, ())
    wrong = np.flatnonzero(labels >= NUM_CLASSES)
    if wrong.size:
        raise DataError(
            f"{path}: expected labels from 0 to {NUM_CLASSES - 1}. "
            f"Received: {labels[wrong[0]]} as label {wrong[0]} (counted from 0), {wrong.size} such in all"
        )
    return labels


def _read(path: Path, item_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        content = path.read_bytes()
        if content.startswith(GZIP_MAGIC):
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: expected a whole gzip file. Received: {error}; fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    dimensions = 1 + len(item_shape)
    magic, header = bytes([0, 0, _UNSIGNED_BYTE, dimensions]), 4 + 4 * dimensions
    if content[:4] != magic:
        raise DataError(
            f"{path}: expected an IDX file of bytes in {dimensions} dimension(s), which begins {magic.hex(' ')}. "
            f"Received: {content[:4].hex(' ') or 'an empty file'}"
        )
    if len(content) < header:
        raise DataError(f"{path}: expected a header of {header} bytes. Received: {len(content)}")
    count, *shape = struct.unpack_from(f">{dimensions}I", content, offset=4)
    if tuple(shape) != item_shape or not count:
        raise DataError(f"{path}: expected one or more items of shape {item_shape}. Received: {count} of {(*shape,)}")
    expected, found = count * math.prod(item_shape), len(content) - header
    if found != expected:
        raise DataError(f"{path}: expected {expected:,} bytes of data after the header. Received: {found:,}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(count, *item_shape)
