"""Read the IDX files that MNIST is published in, and refuse any that is not whole.

IDX (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats"): two zero
bytes, one byte for the data type (8: unsigned byte), one for the number of dimensions; then each dimension as a
big-endian unsigned 32-bit integer; then the data, row-major. The public files are gzip-compressed.

Why not a library: idx2numpy (PyPI, last release 2020) reads as many bytes as the header promises, and its errors name
no file.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import DataError
from pipeline_lib.mnist.features import IMAGE_SIDE, NUM_CLASSES

GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_images(path: Path) -> NDArray[np.uint8]:
    """Return the images of one IDX file, gzip-compressed or not: uint8 [n, 28, 28], 0 background to 255 ink, read-only.

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
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise DataError(f"{path}: expected an IDX file. Received: {found}")
    try:
        content = path.read_bytes()
        if content.startswith(GZIP_MAGIC):
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: expected a whole gzip file. Received: {error}; fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    header = 4 + 4 * (1 + len(item_shape))
    count = _count(content[:header], path, item_shape)
    expected, found_bytes = count * math.prod(item_shape), len(content) - header
    if found_bytes != expected:
        raise DataError(f"{path}: expected {expected:,} bytes of data after the header. Received: {found_bytes:,}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(count, *item_shape)


def _count(header: bytes, path: Path, item_shape: tuple[int, ...]) -> int:
    dimensions = 1 + len(item_shape)
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if header[:4] != magic:
        raise DataError(
            f"{path}: expected an IDX file of bytes in {dimensions} dimension(s), which begins {magic.hex(' ')}. "
            f"Received: {header[:4].hex(' ') or 'an empty file'}"
        )
    if len(header) != 4 + 4 * dimensions:
        raise DataError(f"{path}: expected a header of {4 + 4 * dimensions} bytes. Received: {len(header)}")
    count, *shape = struct.unpack(f">{dimensions}I", header[4:])
    if tuple(shape) != item_shape:
        raise DataError(f"{path}: expected images of {_product(item_shape)} pixels. Received: {_product(shape)}")
    if not count:
        raise DataError(f"{path}: expected at least one example. Received: 0")
    return int(count)


def _product(shape: tuple[int, ...] | list[int]) -> str:
    return " x ".join(str(side) for side in shape)
