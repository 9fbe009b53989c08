"""Write a split as gzip-compressed TFRecord files of tf.Example.

TensorFlow takes ten seconds to import. It is imported only to write a file, after bad input has been refused. No
other writer fits: PyPI's tfrecord writes no gzip files, and Apache Beam's imports fast but has no tf.Example.
"""

import errno
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from models.mnist.data.dataset import Split
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LABEL_KEY
from nightlite import native_log

EXAMPLES_PER_SHARD = 5_000


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert uint8 [n, 28, 28], 0 to 255, to float32 [n, 784], -0.5 (background) to 0.5 (ink)."""
    return images.reshape(len(images), IMAGE_SIZE).astype(np.float32) / np.float32(255) - np.float32(0.5)


def write_split(split: Split, name: str, folder: Path, examples_per_shard: int = EXAMPLES_PER_SHARD) -> dict[str, int]:
    """Write `<name>-00000-of-0000K.tfrecord.gz` and so on into `folder`. Return each file's bytes.

    Each record is a tf.Example with `image_floats` (784 floats in [-0.5, 0.5]) and `image_class` (one int64).

    Raises:
      OSError: a file could not be written.
    """
    parts = -(-len(split) // examples_per_shard)
    shards = zip(np.array_split(split.images, parts), np.array_split(split.labels, parts), strict=True)
    console = Console(stderr=True)
    shown = track(shards, f"Writing {name}", parts, console=console, transient=True, disable=not console.is_terminal)
    sizes = {}
    for index, (images, labels) in enumerate(shown):
        path = folder / f"{name}-{index:05d}-of-{parts:05d}.tfrecord.gz"
        _write_shard(path, images, labels)
        sizes[path.name] = path.stat().st_size
    return sizes


def _write_shard(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    with native_log.muted():
        import tensorflow as tf

    try:
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for floats, label in zip(scale(images), labels, strict=True):
                example = tf.train.Example()
                example.features.feature[IMAGE_KEY].float_list.value.extend(floats.tolist())
                example.features.feature[LABEL_KEY].int64_list.value.append(int(label))
                writer.write(example.SerializeToString())
    except tf.errors.OpError as error:
        # TensorFlow's text is "<path>; <the system's message>", under an unrelated class.
        raise OSError(errno.EIO, error.message.rpartition("; ")[2], str(path)) from None
