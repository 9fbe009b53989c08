"""Rows of raw values on the disk. They are written slice by slice and read in part, so memory does not grow with them.

They are not mapped into memory, because the kernel maps up to 2 MiB for a row and counts that as the process's memory.
The kernel removes the files, which have no names, when the process ends or nothing refers to them.
"""

import os
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nightlite.errors import DataError

Raw = NDArray[np.uint8] | NDArray[np.float32]


class StoredRows:
    """Rows of one or more features in a file. A row holds the values of all features.

    Args:
      file: may be closed afterwards.
      row: each feature's name, type and shape.
      count: the number of rows.
      offset: the place of the first row in the file.
    """

    def __init__(self, file: BinaryIO, row: np.dtype[Any], count: int, offset: int = 0) -> None:
        self.row = row
        self._count = count
        self._offset = offset
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self._count

    def part(self, index: slice | NDArray[np.intp]) -> dict[str, Raw]:
        """Read some rows, in that order. Return the values of each feature."""
        indices = np.arange(*index.indices(self._count)) if isinstance(index, slice) else index
        # Consecutive rows are read at once.
        starts = np.flatnonzero(np.diff(indices, prepend=-2) != 1)
        runs = zip(indices[starts].tolist(), np.diff(starts, append=len(indices)).tolist(), strict=True)
        size = self.row.itemsize
        content = [os.pread(self._descriptor, count * size, self._offset + first * size) for first, count in runs]
        rows = np.frombuffer(b"".join(content), self.row)
        return {name: rows[name] for name in self.row.names or ()}


class RowsWriter:
    """Writer of rows to a file without a name.

    Args:
      folder: the file is in it, or in the nearest folder above it that exists. None: in the system's for such files.
    """

    def __init__(self, folder: Path | None) -> None:
        self.count = 0
        self._file, self._place = _unnamed_file(folder)
        self._row = np.dtype([])

    def append(self, part: Mapping[str, Raw]) -> None:
        """Write some more rows, the same number for each feature.

        Raises:
          DataError: the disk is full.
        """
        self._row = np.dtype([(name, raw.dtype, raw.shape[1:]) for name, raw in part.items()])
        rows = np.empty(len(next(iter(part.values()))), self._row)
        for name, raw in part.items():
            rows[name] = raw
        _append(self._file, rows.tobytes(), self._place)
        self.count += len(rows)

    def finish(self) -> StoredRows:
        """Return all rows."""
        with self._file:
            return StoredRows(self._file, self._row, self.count)


def stored(slices: Iterable[Mapping[str, Raw]], folder: Path | None) -> StoredRows:
    """Write slices of rows to a file without a name, and return them all.

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
    file, place = _unnamed_file(folder)
    for content in chunks:
        _append(file, content, place)
    file.seek(0)
    return file


def _unnamed_file(folder: Path | None) -> tuple[BinaryIO, Path]:
    """Return an open file, and its folder."""
    wanted = Path(tempfile.gettempdir()) if folder is None else folder.absolute()
    place = next(path for path in (wanted, *wanted.parents) if path.is_dir())
    try:
        return tempfile.TemporaryFile(dir=place, buffering=0), place
    except OSError as error:
        raise _no_room(place, error) from None


def _append(file: BinaryIO, content: bytes, place: Path) -> None:
    left = memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _no_room(place, error) from None


def _no_room(place: Path, error: OSError) -> DataError:
    return DataError(
        f"{place}: the source's values could not be kept there while they are read: {error.strerror or error}. "
        "See to the disk, then ingest again"
    )
