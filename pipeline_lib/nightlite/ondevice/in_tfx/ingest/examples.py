"""Examples: every source returns them, every span is written from them. Their raw values may be on the disk."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest.stored_rows import Raw, StoredRows
from nightlite.ondevice.model import OnDeviceModel

EVAL_SHARE = 0.2
SPLIT_SEED = 1
# The raw values that are in memory at a time.
_SLICE_ROWS, _SLICE_BYTES = 1024, 4 << 20


@dataclass(frozen=True)
class Split:
    """Examples of one split, at least one.

    Attributes:
      rows: raw values of each feature by its name, [n, …], in the order of the model's features. The span gets
        `raw * scale + offset`, by the feature's meaning.
      labels: [n], indices into the model's labels, or float32 [n], a regression's numbers.
      order: the row of each label. None: 0, 1, …

    Raises:
      DataError: there is no example, or an input has another number of them.
    """

    rows: Mapping[str, Raw] | StoredRows
    labels: NDArray[np.integer[Any]] | NDArray[np.float32]
    order: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        if not len(self.labels):
            raise DataError("expected one or more examples. Received: none")
        if self.order is not None:
            return
        by_name = {"rows": self.rows} if isinstance(self.rows, StoredRows) else self.rows
        for name, raw in by_name.items():
            if len(raw) != len(self.labels):
                raise DataError(f"{name}: expected {len(self.labels):,} examples, one a label. Received: {len(raw):,}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def row(self) -> np.dtype[Any]:
        """Return each feature's name, type and shape."""
        if isinstance(self.rows, StoredRows):
            return self.rows.row
        return np.dtype([(name, raw.dtype, raw.shape[1:]) for name, raw in self.rows.items()])

    @property
    def inputs(self) -> dict[str, Raw]:
        """Return all raw values of each feature, in memory."""
        parts = [self.part(index) for index in self.slices()]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def part(self, index: slice) -> dict[str, Raw]:
        """Return the raw values of some examples by feature, in memory."""
        chosen = self._rows_of(index)
        if isinstance(self.rows, StoredRows):
            return self.rows.part(chosen)
        return {name: raw[chosen] for name, raw in self.rows.items()}

    def slices(self, within: slice = slice(None)) -> Iterator[slice]:
        """Yield the examples in their order, a few megabytes of raw values at a time."""
        size = min(_SLICE_ROWS, max(1, _SLICE_BYTES // self.row.itemsize))
        start, end, _ = within.indices(len(self))
        for first in range(start, end, size):
            yield slice(first, min(end, first + size))

    def values(self, name: str) -> Iterator[Raw]:
        """Yield the raw values of one feature, some examples at a time."""
        for index in self.slices():
            chosen = self._rows_of(index)
            yield self.rows.part(chosen)[name] if isinstance(self.rows, StoredRows) else self.rows[name][chosen]

    def per_class(self, classes: int) -> tuple[int, ...]:
        """Return the numbers of examples of each class; none of no class."""
        if not classes:
            return ()
        return tuple(int(count) for count in np.bincount(self.labels, minlength=classes))

    def take(self, indices: NDArray[np.intp] | slice) -> "Split":
        """Return some of the examples, in the order of the indices. No raw value is read."""
        order = np.arange(len(self)) if self.order is None else self.order
        return Split(self.rows, self.labels[indices], order[indices])

    def sha256(self) -> str:
        """Return the hash of all inputs' bytes, then all labels', which is independent of the files."""
        digest = hashlib.sha256()
        for name in self.row.names or ():
            for raw in self.values(name):
                digest.update(np.ascontiguousarray(raw).data)
        # A byte a label, up to 256 classes: the hash is the same for indices of any type.
        kind = np.float32 if self.labels.dtype == np.float32 else np.min_scalar_type(int(self.labels.max()))
        digest.update(np.ascontiguousarray(self.labels, kind).data)
        return digest.hexdigest()

    def by_content(self) -> "Split":
        """Return the examples in the order of their hashes, so names of files and order of rows do not matter."""
        hashes = np.empty(len(self), "S32")
        for index in self.slices():
            columns = [*self.part(index).values(), self.labels[index]]
            rows = np.concatenate([_bytes_of_each(column) for column in columns], axis=1)
            hashes[index] = [hashlib.sha256(row).digest() for row in rows]
        return self.take(np.argsort(hashes, kind="stable"))

    def _rows_of(self, index: slice) -> slice | NDArray[np.intp]:
        return index if self.order is None else self.order[index]


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

    def check(self, model: OnDeviceModel) -> None:
        """Refuse examples that are not the model's.

        Raises:
          DataError: an input, a shape or a label is not the declared one, or a value is infinite.
        """
        for name, split in self.splits.items():
            _check(f"{self.source}, {name}", split, model)


def split_at_random(source: str, examples: Split, labels: Sequence[str], eval_share: float = EVAL_SHARE) -> Dataset:
    """Return a split, stratified if there are classes. It is a function of the examples and their order alone.

    Args:
      labels: the model's; none for a regression.
      eval_share: part of the examples that is held out, the same in each class.

    Raises:
      DataError: a class has a single example.
    """
    from sklearn.model_selection import train_test_split

    counts = examples.per_class(len(labels))
    if 1 in counts:
        raise DataError(
            f"{source}: expected two or more examples of each class, to train and to evaluate. Received: one of "
            f"{labels[counts.index(1)]!r}; add some, or give train and eval data of your own"
        )
    if len(examples) < 2:
        raise DataError(f"{source}: expected two or more examples, to train and to evaluate. Received: one")
    held_out = max(math.ceil(len(examples) * eval_share), np.count_nonzero(counts))
    classes = examples.labels if counts else None
    train, evaluation = train_test_split(
        np.arange(len(examples)), test_size=held_out, stratify=classes, random_state=SPLIT_SEED
    )
    return Dataset(source, examples.take(train), examples.take(evaluation))


def _check(place: str, split: Split, model: OnDeviceModel) -> None:
    names, received = [feature.tensor.name for feature in model.features], list(split.row.names or ())
    if received != names:
        raise DataError(f"{place}: expected the inputs {', '.join(names)}. Received: {', '.join(received)}")
    for feature in model.features:
        name, shape, found = feature.tensor.name, feature.tensor.shape[1:], split.row[feature.tensor.name].shape
        if math.prod(found) != math.prod(shape):
            raise DataError(f"{place}: {name}: expected values of shape {shape}. Received: {found}")
        if split.row[name].base == np.float32 and any(np.isinf(raw).any() for raw in split.values(name)):
            raise DataError(f"{place}: {name}: expected finite values. Received: an infinite one")
    if not model.labels:
        if split.labels.dtype != np.float32 or not np.isfinite(split.labels).all():
            raise DataError(f"{place}: expected finite labels of float32. Received: {split.labels.dtype}, or no number")
        return
    if split.labels.min() < 0 or split.labels.max() >= len(model.labels):
        raise DataError(
            f"{place}: expected labels from 0 to {len(model.labels) - 1}. "
            f"Received: {split.labels.min()} to {split.labels.max()}"
        )


def _bytes_of_each(column: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of each row: [n, bytes]."""
    return np.ascontiguousarray(column).reshape(len(column), -1).view(np.uint8)
