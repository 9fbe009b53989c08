"""Read the IDX files that MNIST is published in, and refuse any that is not whole.

IDX (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats"): two zero
bytes, one byte for the data type (8: unsigned byte), one for the number of dimensions; then each dimension as a
big-endian unsigned 32-bit integer; then the data, row-major. The public files are gzip-compressed.

Why not a library: idx2numpy (PyPI, last release 2020) reads as many bytes as the header promises, so that a damaged
header or a gzip bomb takes all the memory, and its errors name no file.
"""

import gzip
import io
import math
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import DataError
from pipeline_lib.mnist.features import IMAGE_SIDE, NUM_CLASSES

GZIP_MAGIC = b"\x1f\x8b"
# Deflate cannot do better than 1032:1 (zlib's own documentation, zlib_tech).
MAX_DEFLATE_RATIO = 1032
# The largest set of this family, EMNIST ByClass, has 814,255. A file of zeros within the ratio above would
# otherwise still take a thousand times its size on the disk.
MAX_EXAMPLES = 1_000_000
_PIECE = 1024 * 1024
_UNSIGNED_BYTE = 0x08


def read_images(path: Path, spool: Path | None = None) -> NDArray[np.uint8]:
    """The images of one IDX file, gzip-compressed or not: uint8 [n, 28, 28], 0 background to 255 ink, read-only.

    They are mapped from a nameless file in the folder `spool` (default: where temporary files are), so that not even
    the largest set takes more than some MB of memory, unless that folder is itself memory.

    Raises:
      DataError: the file is missing, truncated, corrupt, over-long, empty, or holds anything but 28 x 28 images; or
        `spool` has no room for them.
    """
    return _read(path, (IMAGE_SIDE, IMAGE_SIDE), spool)


def read_labels(path: Path, spool: Path | None = None) -> NDArray[np.uint8]:
    """The labels of one IDX file, gzip-compressed or not: uint8 [n], each 0 to 9, read-only; as `read_images`.

    Raises:
      DataError: the file is missing, truncated, corrupt, over-long, empty, or holds a label outside 0 to 9.
    """
    labels = _read(path, (), spool)
    wrong = np.flatnonzero(labels >= NUM_CLASSES)
    if wrong.size:
        raise DataError(
            f"{path}: expected labels from 0 to {NUM_CLASSES - 1}. "
            f"Received: {labels[wrong[0]]} as label {wrong[0]} (counted from 0), {wrong.size} such in all"
        )
    return labels


def _read(path: Path, item_shape: tuple[int, ...], spool: Path | None) -> NDArray[np.uint8]:
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            raise DataError(f"{path}: expected an IDX file. Received: {found}")
        with path.open("rb") as file:
            compressed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=file) as stream:
                    return _parse(stream, path, item_shape, MAX_DEFLATE_RATIO, spool)
            return _parse(file, path, item_shape, 1, spool)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: expected a whole gzip file. Received: {error}; fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _parse(
    stream: io.BufferedIOBase, path: Path, item_shape: tuple[int, ...], ratio: int, spool: Path | None
) -> NDArray[np.uint8]:
    count = _read_header(stream, path, item_shape)
    expected = count * math.prod(item_shape)
    size = path.stat().st_size
    if expected > size * ratio:
        raise DataError(f"{path}: its header promises {expected:,} bytes of data. Received: a file of {size:,} bytes")
    with tempfile.TemporaryFile(dir=spool) as body:
        # One byte more than wanted: it shows an over-long file, and has gzip check the CRC of one that is not.
        while piece := stream.read(min(_PIECE, expected + 1 - body.tell())):
            body.write(piece)
        if (found := body.tell()) != expected:
            received = "more" if found > expected else f"{found:,}"
            raise DataError(f"{path}: expected {expected:,} bytes of data after the header. Received: {received}")
        body.flush()
        return np.memmap(body, np.uint8, "r", shape=(count, *item_shape))


def _read_header(stream: io.BufferedIOBase, path: Path, item_shape: tuple[int, ...]) -> int:
    dimensions = 1 + len(item_shape)
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    header = stream.read(4 + 4 * dimensions)
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
    if not 1 <= count <= MAX_EXAMPLES:
        raise DataError(f"{path}: expected 1 to {MAX_EXAMPLES:,} examples. Received: {count:,}")
    return int(count)


def _product(shape: tuple[int, ...] | list[int]) -> str:
    return " x ".join(str(side) for side in shape)
