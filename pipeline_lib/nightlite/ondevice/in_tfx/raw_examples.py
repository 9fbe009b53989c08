"""Examples as phones feed them to the file: raw, before Transform."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nightlite.errors import DataError
from nightlite.ondevice.contract.file_contract import FileContract

Inputs = Mapping[str, npt.NDArray[np.float32]]
Labels = npt.NDArray[Any]  # int64 of a classification, float32 of a regression
_BATCH = 500


def read_inputs(files: Sequence[str], contract: FileContract, most: int | None = None) -> Inputs:
    """Return the file's inputs by their names, float32 [n, …], in the examples' order.

    Args:
      files: TFRecords of tf.Example, gzip-compressed, as TFX's ExampleGen writes them.
      contract: its inputs' names are also the features'.
      most: the first so many examples; None: all.

    Raises:
      DataError: there is no example.
    """
    return _read(files, _spec(contract), most)


def read_labelled(
    files: Sequence[str], contract: FileContract, label_key: str, label_type: type[np.generic] = np.int64
) -> tuple[Inputs, Labels]:
    """Return the inputs as `read_inputs` does, and the labels [n] of that type.

    Raises:
      DataError: there is no example.
    """
    found = _read(files, {**_spec(contract), label_key: tf.io.FixedLenFeature([], tf.as_dtype(label_type))}, None)
    labels: Labels = found.pop(label_key)
    return found, labels


def digest(inputs: Inputs, index: int) -> bytes:
    """Return the digest of one example's inputs: by it, the same data are in the same order, however they were read."""
    return hashlib.sha256(b"".join(inputs[name][index].tobytes() for name in sorted(inputs))).digest()


def _spec(contract: FileContract) -> dict[str, tf.io.FixedLenFeature]:
    return {tensor.name: tf.io.FixedLenFeature(tensor.shape[1:], tf.float32) for tensor in contract.inputs}


def _read(
    files: Sequence[str], spec: Mapping[str, tf.io.FixedLenFeature], most: int | None
) -> dict[str, npt.NDArray[Any]]:
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
    batches = [
        tf.io.parse_example(batch, dict(spec))
        for batch in (records if most is None else records.take(most)).batch(_BATCH)
    ]
    if not batches:
        raise DataError(f"{', '.join(files)}: expected at least one example to compare models on. Received: none")
    return {name: np.concatenate([batch[name].numpy() for batch in batches]) for name in spec}
