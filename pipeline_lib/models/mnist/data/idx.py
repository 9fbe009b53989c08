"""Read the IDX files that MNIST is published in, and refuse incomplete ones.

IDX (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats") starts with
two zero bytes. One byte for the data type (8: unsigned byte) and one for the number of dimensions follow. Then come
each dimension as a big-endian unsigned 32-bit integer, and the data, row-major. The public files are gzip-compressed.

The library idx2numpy (PyPI, last release 2020) is not used. It reads as many bytes as the header promises, and its
errors name no file.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE, NUM_CLASSES
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest.stored_rows import StoredRows, unpacked

GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_CHUNK = 1 << 20
_LABEL = "label"
_Item = tuple[str, type[np.uint8], tuple[int, ...]]


def read_images(path: Path, scratch: Path | None = None) -> StoredRows:
    """Return the images of one IDX file, gzip-compressed or not: uint8 [28, 28] each, 0 paper to 255 ink.

    They stay on the disk.

    Args:
      scratch: the folder for what a gzip file holds, in a file without a name. None: the system's.

    Raises:
      DataError: the file is missing, truncated, corrupt, over-long, empty, or holds anything but 28 x 28 images.
    """
    return _read(path, (IMAGE_KEY, np.uint8, (IMAGE_SIDE, IMAGE_SIDE)), scratch)


def read_labels(path: Path, scratch: Path | None = None) -> NDArray[np.uint8]:
    """Return the labels of one IDX file, gzip-compressed or not: uint8 [n], each 0 to 9.

    Raises:
      DataError: the file is missing, truncated, corrupt, over-long, empty, or holds a label outside 0 to 9.
    """
    labels = _read(path, (_LABEL, np.uint8, ()), scratch).part(slice(None))[_LABEL].astype(np.uint8, copy=False)
    wrong = np.flatnonzero(labels >= NUM_CLASSES)
    if wrong.size:
        raise DataError(
            f"{path}: expected labels from 0 to {NUM_CLASSES - 1}. "
            f"Received: {labels[wrong[0]]} as label {wrong[0]} (counted from 0), {wrong.size} such in all"
        )
    return labels


def _read(path: Path, item: _Item, scratch: Path | None) -> StoredRows:
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if not packed:
                return _rows(path, file, item)
            stream = gzip.GzipFile(fileobj=file)
            with unpacked(iter(lambda: stream.read(_CHUNK), b""), scratch) as content:
                return _rows(path, content, item)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: expected a whole gzip file. Received: {error}; fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _rows(path: Path, file: BinaryIO, item: _Item) -> StoredRows:
    item_shape = item[2]
    dimensions = 1 + len(item_shape)
    magic, header = bytes([0, 0, _UNSIGNED_BYTE, dimensions]), 4 + 4 * dimensions
    begin, size = file.read(header), os.fstat(file.fileno()).st_size
    if begin[:4] != magic:
        raise DataError(
            f"{path}: expected an IDX file of bytes in {dimensions} dimension(s), which begins {magic.hex(' ')}. "
            f"Received: {begin[:4].hex(' ') or 'an empty file'}"
        )
    if len(begin) < header:
        raise DataError(f"{path}: expected a header of {header} bytes. Received: {len(begin)}")
    count, *shape = struct.unpack_from(f">{dimensions}I", begin, offset=4)
    if tuple(shape) != item_shape or not count:
        raise DataError(f"{path}: expected one or more items of shape {item_shape}. Received: {count} of {(*shape,)}")
    expected, found = count * math.prod(item_shape), size - header
    if found != expected:
        raise DataError(f"{path}: expected {expected:,} bytes of data after the header. Received: {found:,}")
    return StoredRows(file, np.dtype([item]), count, header)
