"""Examples in memory: every source returns them, every span is written from them."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlite.errors import DataError
from nightlite.ondevice.model import OnDeviceModel

EVAL_SHARE = 0.2
SPLIT_SEED = 1

Raw = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Split:
    """Examples of one split, at least one.

    Attributes:
      inputs: raw values of each feature by its name, [n, …], in the order of the model's features. The span gets
        `raw * scale + offset`, by the feature's meaning.
      labels: [n], indices into the model's labels, or float32 [n], a regression's numbers.

    Raises:
      DataError: there is no example, or an input has another number of them.
    """

    inputs: Mapping[str, Raw]
    labels: NDArray[np.integer[Any]] | NDArray[np.float32]

    def __post_init__(self) -> None:
        if not len(self.labels):
            raise DataError("expected one or more examples. Received: none")
        for name, raw in self.inputs.items():
            if len(raw) != len(self.labels):
                raise DataError(f"{name}: expected {len(self.labels):,} examples, one a label. Received: {len(raw):,}")

    def __len__(self) -> int:
        return len(self.labels)

    def per_class(self, classes: int) -> tuple[int, ...]:
        """Return the numbers of examples of each class; none of no class."""
        if not classes:
            return ()
        return tuple(int(count) for count in np.bincount(self.labels, minlength=classes))

    def take(self, indices: NDArray[np.intp] | slice) -> "Split":
        """Return some of the examples, in the order of the indices."""
        return Split({name: raw[indices] for name, raw in self.inputs.items()}, self.labels[indices])

    def sha256(self) -> str:
        """Return the hash of all inputs' bytes, then all labels', which is independent of the files."""
        digest = hashlib.sha256()
        for raw in self.inputs.values():
            digest.update(np.ascontiguousarray(raw).data)  # not tobytes(): it would copy half a gigabyte
        # A byte a label, up to 256 classes: the hash is the same for indices of any type.
        kind = np.float32 if self.labels.dtype == np.float32 else np.min_scalar_type(int(self.labels.max()))
        digest.update(np.ascontiguousarray(self.labels, kind).data)
        return digest.hexdigest()

    def by_content(self) -> "Split":
        """Return the examples in the order of their hashes, so names of files and order of rows do not matter."""
        rows = zip(*self.inputs.values(), self.labels, strict=True)
        hashes = [hashlib.sha256(b"".join(value.tobytes() for value in row)).digest() for row in rows]
        return self.take(np.array(sorted(range(len(hashes)), key=hashes.__getitem__)))


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
    names = [feature.tensor.name for feature in model.features]
    if list(split.inputs) != names:
        raise DataError(f"{place}: expected the inputs {', '.join(names)}. Received: {', '.join(split.inputs)}")
    for feature in model.features:
        name, shape, raw = feature.tensor.name, feature.tensor.shape[1:], split.inputs[feature.tensor.name]
        if math.prod(raw.shape[1:]) != math.prod(shape):
            raise DataError(f"{place}: {name}: expected values of shape {shape}. Received: {raw.shape[1:]}")
        if raw.dtype == np.float32 and np.isinf(raw).any():
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
