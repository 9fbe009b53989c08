"""Write a split as gzip-compressed TFRecord files of tf.Example.

TensorFlow takes ten seconds to import. It is imported only to write a file, after bad input has been refused. No
other writer fits: PyPI's tfrecord writes no gzip files, and Apache Beam's imports fast but has no tf.Example.
"""

import errno
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlite import native_log
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.in_tfx.ingest.examples import Raw, Split
from nightlite.ondevice.in_tfx.ingest.progress import shown
from nightlite.ondevice.model import OnDeviceModel

EXAMPLES_PER_SHARD = 5_000


def scale(raw: Raw, meaning: Meaning) -> NDArray[np.float32]:
    """Convert the raw values of some examples to a feature's, flat: float32 [n, values].

    The product is rounded to float32 once, as if by division: 1/255 has no exact float32.
    """
    product = (raw.reshape(len(raw), -1) * np.float64(meaning.scale)).astype(np.float32)
    values: NDArray[np.float32] = product + np.float32(meaning.offset)
    return values


def write_split(
    split: Split, name: str, model: OnDeviceModel, folder: Path, examples_per_shard: int = EXAMPLES_PER_SHARD
) -> dict[str, int]:
    """Write `<name>-00000-of-0000K.tfrecord.gz` and so on into `folder`. Return each file's bytes.

    Each record is a tf.Example with the floats of each feature of the model, flat, and its label: one int64, or one
    float of a regression.

    Raises:
      OSError: a file could not be written.
    """
    parts = -(-len(split) // examples_per_shard)
    sizes = {}
    for index, chosen in enumerate(shown(np.array_split(np.arange(len(split)), parts), f"Writing {name}", parts)):
        path = folder / f"{name}-{index:05d}-of-{parts:05d}.tfrecord.gz"
        _write_shard(path, split.take(slice(chosen[0], chosen[-1] + 1)), model)
        sizes[path.name] = path.stat().st_size
    return sizes


def _write_shard(path: Path, split: Split, model: OnDeviceModel) -> None:
    with native_log.muted():
        import tensorflow as tf

    names = [feature.tensor.name for feature in model.features]
    columns = [scale(split.inputs[feature.tensor.name], feature.meaning) for feature in model.features]
    try:
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for *rows, label in zip(*columns, split.labels, strict=True):
                example = tf.train.Example()
                for name, row in zip(names, rows, strict=True):
                    example.features.feature[name].float_list.value.extend(row.tolist())
                labelled = example.features.feature[model.label_key]
                if model.labels:
                    labelled.int64_list.value.append(int(label))
                else:
                    labelled.float_list.value.append(float(label))
                # A span's bytes are a function of its data: protobuf's own order of features is not.
                writer.write(example.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        # TensorFlow's text is "<path>; <the system's message>", under an unrelated class.
        raise OSError(errno.EIO, error.message.rpartition("; ")[2], str(path)) from None
