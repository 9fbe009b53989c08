"""Write a split as gzip-compressed TFRecord files of tf.Example.

TensorFlow takes ten seconds to import. It is imported only to write a file, after bad input has been refused. No
other writer fits: PyPI's tfrecord writes no gzip files, and Apache Beam's imports fast but has no tf.Example.
"""

import errno
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlite import native_log
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.in_tfx.ingest.examples import Split
from nightlite.ondevice.in_tfx.ingest.progress import shown
from nightlite.ondevice.in_tfx.ingest.stored_rows import Raw
from nightlite.ondevice.model import OnDeviceModel

# Beam cannot split a gzip-compressed file, so a shard bounds the memory of its reader, and shards what runs at once.
SHARD_BYTES = 16 << 20
_SEED = 1


def scale(raw: Raw, meaning: Meaning) -> NDArray[np.float32]:
    """Convert the raw values of some examples to a feature's, flat: float32 [n, values].

    The product is rounded to float32 once, as if by division: 1/255 has no exact float32.
    """
    product = (raw.reshape(len(raw), -1) * np.float64(meaning.scale)).astype(np.float32)
    values: NDArray[np.float32] = product + np.float32(meaning.offset)
    return values


def write_split(
    split: Split, name: str, model: OnDeviceModel, folder: Path, shard_bytes: int = SHARD_BYTES
) -> dict[str, int]:
    """Write `<name>-00000-of-0000K.tfrecord.gz` and so on into `folder`. Return each file's bytes.

    Each record is a tf.Example with the floats of each feature of the model, flat, and its label: one int64, or one
    float of a regression. Examples are shuffled, always alike for so many of them, and shards are of one size.

    Args:
      shard_bytes: most of a shard's values as float32.

    Raises:
      OSError: a file could not be written.
    """
    example_bytes = 4 * sum(math.prod(feature.tensor.shape) for feature in model.features)
    parts = math.ceil(len(split) / max(1, shard_bytes // example_bytes))
    # RandomState: its numbers are the same with any NumPy.
    shuffled = split.take(np.random.RandomState(_SEED).permutation(len(split)))
    sizes = {}
    for index in shown(range(parts), f"Writing {name}", parts, "shards"):
        path = folder / f"{name}-{index:05d}-of-{parts:05d}.tfrecord.gz"
        shard = slice(index * len(split) // parts, (index + 1) * len(split) // parts)
        _write_shard(path, shuffled, shard, model)
        sizes[path.name] = path.stat().st_size
    return sizes


def _write_shard(path: Path, split: Split, shard: slice, model: OnDeviceModel) -> None:
    with native_log.muted():
        import tensorflow as tf

    try:
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for index in split.slices(shard):
                for record in _records(split, index, model):
                    writer.write(record)
    except tf.errors.OpError as error:
        # TensorFlow's text is "<path>; <the system's message>", under an unrelated class.
        raise OSError(errno.EIO, error.message.rpartition("; ")[2], str(path)) from None


def _records(split: Split, index: slice, model: OnDeviceModel) -> Iterator[bytes]:
    import tensorflow as tf

    names = [feature.tensor.name for feature in model.features]
    raw, labels = split.part(index), split.labels[index]
    columns = [scale(raw[feature.tensor.name], feature.meaning) for feature in model.features]
    for *rows, label in zip(*columns, labels, strict=True):
        example = tf.train.Example()
        for name, row in zip(names, rows, strict=True):
            example.features.feature[name].float_list.value.extend(row.tolist())
        labelled = example.features.feature[model.label_key]
        if model.labels:
            labelled.int64_list.value.append(int(label))
        else:
            labelled.float_list.value.append(float(label))
        # A span's bytes are a function of its data: protobuf's own order of features is not.
        yield example.SerializeToString(deterministic=True)
