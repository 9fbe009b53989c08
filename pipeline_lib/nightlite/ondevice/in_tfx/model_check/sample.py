"""A small part of a model's data: examples from all over a span, as files and as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.model_check.owed import blamed, function
from nightlite.ondevice.in_tfx.raw_examples import Inputs, read_inputs
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.spans import latest_span, read

# Enough for every class of a small model, and seconds to train.
_MOST = {"train": 500, "eval": 200}


@dataclass(frozen=True)
class Sample:
    """Some examples.

    Attributes:
      origin: in words, for the result of the check.
      records: serialized tf.Examples of each split.
      files: TFRecords of them.
      inputs: those of the eval split, as an app passes them.
    """

    origin: str
    records: Mapping[str, Sequence[bytes]]
    files: Mapping[str, str]
    inputs: Inputs


def take(model: OnDeviceModel, data_dir: Path, folder: Path) -> Sample:
    """Return some examples of the latest span, or of the usual source if there is no span yet.

    Raises:
      DataError: the source or the span cannot be read, or its examples are not the model's.
      ModelDeclarationError: the model's `ingest` failed.
    """
    span, origin = latest_span(data_dir), "the latest span"
    if span is None:
        origin = f"source {model.usual_source}, because there is no span yet"
        with blamed(f"ingest={model.ingest!r}", f"the next span, of source {model.usual_source!r}"):
            made = function(model.ingest, "ingest", 2)(model.usual_source, folder / "spans")
        span = read(folder / "spans", made.number)
    records = {split: _some(span.path, split, most) for split, most in _MOST.items()}
    files = {split: write_records(found, folder / f"raw-{split}.gz") for split, found in records.items()}
    try:
        inputs = read_inputs([files["eval"]], model.contract)
    except tf.errors.InvalidArgumentError as error:
        reason = error.message.splitlines()[0]
        raise DataError(
            f"{span.path}: expected examples with {', '.join(map(str, model.contract.inputs))}. "
            f"Received: {reason}; ingest again after a change of the features"
        ) from None
    counts = ", ".join(f"{len(found):,} {split}" for split, found in records.items())
    return Sample(f"{counts} examples of {origin}", records, files, inputs)


def write_records(records: Sequence[bytes], file: Path) -> str:
    """Write a file of TFRecords, compressed as ExampleGen's are, and return its name."""
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for record in records:
            writer.write(record)
    return str(file)


def _some(span: Path, split: str, most: int) -> list[bytes]:
    files = sorted(str(file) for file in span.glob(f"{split}-*"))
    found = list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())
    step = max(1, -(-len(found) // most))
    return [bytes(record) for record in np.array(found, object)[::step]]
