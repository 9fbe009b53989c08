"""Rows of raw values on the disk. They are written slice by slice and read in part, so memory does not grow with them.

The kernel removes the files, which have no names, when the process ends or nothing refers to them.
"""

import mmap
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nightlite.errors import DataError

Raw = NDArray[np.uint8] | NDArray[np.float32]
# A block holds the values of one feature after the other, because some callers read only one.
_BLOCK_BYTES = 16 << 20


class StoredRows:
    """Rows of one feature in a file. Indexing copies some of them into memory and keeps no page of the file mapped.

    Args:
      pages: the file.
      blocks: [blocks, rows, …], a view of it.
      count: the number of rows; the last block may be longer.
    """

    def __init__(self, pages: mmap.mmap, blocks: Raw, count: int) -> None:
        self._pages = pages
        self._blocks = blocks
        self._count = count
        self.shape = (count, *blocks.shape[2:])
        self.dtype = blocks.dtype

    @classmethod
    def of_bytes(cls, file: BinaryIO, offset: int, shape: tuple[int, ...]) -> "StoredRows":
        """Return the bytes of a file, from an offset on, as rows of that shape."""
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(pages, np.frombuffer(pages, np.uint8, offset=offset).reshape(1, *shape), shape[0])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: slice | NDArray[np.intp]) -> Raw:
        rows = np.arange(*index.indices(len(self))) if isinstance(index, slice) else index
        found: Raw = self._blocks[np.divmod(rows, self._blocks.shape[1])]
        # Otherwise the kernel counts the pages as this process's memory.
        self._pages.madvise(mmap.MADV_DONTNEED)
        return found


class RowsWriter:
    """Writer of rows to a file without a name.

    Args:
      folder: the file is in it, or in the nearest folder above it that exists. None: in the system's for such files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file, self._place = unnamed_file(folder)
        self._block: NDArray[Any] | None = None
        self._rows = self._filled = self.count = 0

    def append(self, part: Mapping[str, Raw]) -> None:
        """Write some more rows of each feature, as many of each.

        Raises:
          DataError: the disk is full.
        """
        block = self._block if self._block is not None else self._new_block(part)
        count, start = len(next(iter(part.values()))), 0
        while start < count:
            end = min(count, start + self._rows - self._filled)
            for name, raw in part.items():
                block[name][0, self._filled : self._filled + end - start] = raw[start:end]
            self._filled, start = self._filled + end - start, end
            if self._filled == self._rows:
                self._write(block)
        self.count += count

    def finish(self) -> dict[str, StoredRows]:
        """Return the rows of each feature, at least one row in all."""
        block = self._block
        assert block is not None
        if self._filled:
            self._write(block)
        with self._file:
            pages = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        blocks = np.frombuffer(pages, block.dtype)
        return {name: StoredRows(pages, blocks[name], self.count) for name in block.dtype.names or ()}

    def _new_block(self, part: Mapping[str, Raw]) -> NDArray[Any]:
        row = sum(raw.dtype.itemsize * int(np.prod(raw.shape[1:])) for raw in part.values())
        self._rows = max(1, _BLOCK_BYTES // row)
        forms = [(name, raw.dtype, (self._rows, *raw.shape[1:])) for name, raw in part.items()]
        self._block = np.zeros(1, forms)
        return self._block

    def _write(self, block: NDArray[Any]) -> None:
        append_bytes(self._file, memoryview(block.tobytes()), self._place)
        self._filled = 0


def stored(slices: Iterable[Mapping[str, Raw]], folder: Path | None) -> dict[str, StoredRows]:
    """Write slices of rows to a file without a name, and return the rows of each feature.

    Args:
      slices: one or more. Each has some rows of all features, in the same order of features.
      folder: the file is in it, or in the nearest folder above it that exists. None: in the system's for such files.

    Raises:
      DataError: the disk is full.
    """
    writer = RowsWriter(folder)
    for part in slices:
        writer.append(part)
    return writer.finish()


def unpacked(chunks: Iterable[bytes], folder: Path | None) -> BinaryIO:
    """Return a file without a name that holds all the chunks, at its beginning.

    Raises:
      DataError: the disk is full. An error of the chunks' source is raised as it is.
    """
    file, place = unnamed_file(folder)
    for content in chunks:
        append_bytes(file, memoryview(content), place)
    file.seek(0)
    return file


def unnamed_file(folder: Path | None) -> tuple[BinaryIO, Path]:
    """Return an open file without a name, and its folder.

    Raises:
      DataError: none can be made.
    """
    wanted = Path(tempfile.gettempdir()) if folder is None else folder.absolute()
    place = next(path for path in (wanted, *wanted.parents) if path.is_dir())
    try:
        return tempfile.TemporaryFile(dir=place, buffering=0), place
    except OSError as error:
        raise _no_room(place, error) from None


def append_bytes(file: BinaryIO, content: memoryview, place: Path) -> None:
    """Write all of these bytes.

    Raises:
      DataError: the disk is full. It names the place.
    """
    try:
        while content:
            content = content[file.write(content) :]
    except OSError as error:
        raise _no_room(place, error) from None


def _no_room(place: Path, error: OSError) -> DataError:
    reason = error.strerror or os.strerror(error.errno or 0)
    return DataError(
        f"{place}: the source's values could not be kept there while they are read: {reason}. "
        "See to the disk, then ingest again"
    )
