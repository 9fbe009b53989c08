"""Arrays on the disk, batch by batch, so that no process holds a whole split. It imports nothing of TensorFlow."""

import os
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Batch = Mapping[str, Array]


class ArrayFile:
    """Batches of an array in a file, one after the other, each as `np.save` writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, batches: Iterable[Array]) -> None:
        """Write the batches, each as soon as it is there."""
        with self.path.open("wb") as file:
            for batch in batches:
                np.save(file, batch)
                file.flush()

    def __iter__(self) -> Iterator[Array]:
        with self.path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            while file.tell() < end:
                yield np.load(file)


class SpooledInputs:
    """A split's inputs in a folder: a file for each input, all with batches of the same examples.

    Attributes:
      files: by the names of the inputs, in the order of the names.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = {urllib.parse.unquote(path.stem): path for path in folder.glob("*.npy")}
        self.files = {name: ArrayFile(names[name]) for name in sorted(names)}

    @classmethod
    def write(cls, folder: Path, batches: Iterable[Batch]) -> Self:
        """Write the batches, arrays [k, …] by the names of the inputs, into a new folder."""
        folder.mkdir()
        with ExitStack() as stack:
            files: dict[str, Any] = {}
            for batch in batches:
                for name, values in batch.items():
                    if name not in files:
                        # A feature's name may have a slash.
                        path = folder / f"{urllib.parse.quote(name, safe='')}.npy"
                        files[name] = stack.enter_context(path.open("wb"))
                    np.save(files[name], values)
        return cls(folder)

    def __iter__(self) -> Iterator[Batch]:
        for arrays in zip(*self.files.values(), strict=True):
            yield dict(zip(self.files, arrays, strict=True))

    def first(self, most: int | None) -> Batch:
        """Return the first examples, or all."""
        batches, count = [], 0
        for batch in self:
            batches.append(batch)
            count += len(next(iter(batch.values())))
            if most is not None and count >= most:
                break
        return {name: np.concatenate([batch[name] for batch in batches])[:most] for name in self.files}

    def take(self, indices: npt.NDArray[np.int64]) -> Batch:
        """Return the examples with these indices, in that order, from one pass."""
        found: dict[str, Array] = {}
        start = 0
        for batch in self:
            size = len(next(iter(batch.values())))
            places = np.flatnonzero((indices >= start) & (indices < start + size))
            for name, values in batch.items():
                rows = found.setdefault(name, np.empty((len(indices), *values.shape[1:]), values.dtype))
                rows[places] = values[indices[places] - start]
            start += size
        return found
