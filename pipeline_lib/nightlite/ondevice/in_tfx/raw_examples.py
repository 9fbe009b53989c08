"""Examples as phones feed them to the file: raw, before Transform."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nightlite.errors import DataError
from nightlite.ondevice.contract.file_contract import FileContract

Inputs = Mapping[str, npt.NDArray[np.float32]]
Labels = npt.NDArray[Any]  # int64 of a classification, float32 of a regression
# Examples that are read, and answered, together.
BATCH = 256


def read_inputs(files: Sequence[str], contract: FileContract, most: int | None = None) -> Inputs:
    """Return the file's inputs by their names, float32 [n, …], in the examples' order.

    Args:
      files: TFRecords of tf.Example, gzip-compressed, as TFX's ExampleGen writes them.
      contract: its inputs' names are also the features'.
      most: the first so many examples; None: all.

    Raises:
      DataError: there is no example.
    """
    batches = list(_batches(files, _spec(contract), most))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def input_batches(files: Sequence[str], contract: FileContract) -> Iterator[Inputs]:
    """Yield the inputs as `read_inputs` does, `BATCH` examples at a time.

    Raises:
      DataError: there is no example.
    """
    return _batches(files, _spec(contract))


def labelled_batches(
    files: Sequence[str], contract: FileContract, label_key: str, label_type: type[np.generic] = np.int64
) -> Iterator[tuple[Inputs, Labels]]:
    """Yield the inputs as `input_batches` does, and the labels [n] of that type.

    Raises:
      DataError: there is no example.
    """
    spec = {**_spec(contract), label_key: tf.io.FixedLenFeature([], tf.as_dtype(label_type))}
    for batch in _batches(files, spec):
        labels: Labels = batch.pop(label_key)
        yield batch, labels


def digest(inputs: Inputs, index: int) -> bytes:
    """Return the digest of one example's inputs: by it, the same data are in the same order, however they were read."""
    return hashlib.sha256(b"".join(inputs[name][index].tobytes() for name in sorted(inputs))).digest()


def _spec(contract: FileContract) -> dict[str, tf.io.FixedLenFeature]:
    return {tensor.name: tf.io.FixedLenFeature(tensor.shape[1:], tf.float32) for tensor in contract.inputs}


def _batches(
    files: Sequence[str], spec: Mapping[str, tf.io.FixedLenFeature], most: int | None = None
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP").take(-1 if most is None else most)
    batches = iter(records.batch(BATCH))
    first = next(batches, None)
    if first is None:
        raise DataError(f"{', '.join(files)}: expected at least one example to compare models on. Received: none")
    for batch in itertools.chain([first], batches):
        yield {name: values.numpy() for name, values in tf.io.parse_example(batch, dict(spec)).items()}
