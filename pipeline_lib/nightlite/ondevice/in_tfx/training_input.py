"""Training input: a split's raw examples through Transform's graph, read shard by shard, in bounded memory.

The result is kept on the disk, so that further epochs parse nothing. Its order depends on the files and the seed
alone. A span's examples are shuffled when it is written.
"""

import contextlib
import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft

from nightlite import native_log
from nightlite.errors import DataError

# Shards that are read in turn, so that a window's spans are mixed.
_OPEN_SHARDS = 16
# Examples that are parsed, transformed and kept together: as many as fit, at most 256.
_CHUNK, _CHUNK_BYTES = 256, 4 << 20
# The next example is drawn from as many as fit. Small tensors cost more than their values.
_SHUFFLED_BYTES, _TENSOR_BYTES = 128 << 20, 256


@dataclass(frozen=True)
class TransformedExamples:
    """The transformed examples of a split: dictionaries of tensors by their transformed names.

    Attributes:
      count: the number of examples.
      chunks: up to 256 of them together, from the disk.
      held: the number of examples in memory that the next one is drawn from.
    """

    count: int
    chunks: tf.data.Dataset
    held: int

    def batches(self, size: int) -> tf.data.Dataset:
        """Return one pass in the same order each time: each tensor is [size, …], the last may be shorter."""
        batches = self.chunks.unbatch().batch(size).apply(tf.data.experimental.assert_cardinality(self.steps(size)))
        return batches.prefetch(2)

    def shuffled(self, size: int, seed: int) -> tf.data.Dataset:
        """Return endless batches, [size, …], of passes that are each in another order."""
        return self.chunks.unbatch().shuffle(self.held, seed=seed).repeat().batch(size).prefetch(2)

    def steps(self, size: int) -> int:
        """Return the number of batches in one pass."""
        return math.ceil(self.count / size)


@contextlib.contextmanager
def transformed_examples(
    files: Sequence[str], transform_output: tft.TFTransformOutput, folder: str
) -> Iterator[TransformedExamples]:
    """Yield the transformed examples of a split, which are on the disk until the end of the block.

    Args:
      files: gzip-compressed TFRecords of tf.Example, or patterns of them, as in `FnArgs.train_files`.
      transform_output: Transform's graph and the schema of the raw examples.
      folder: receives a temporary folder, as large as all tensors together. `FnArgs.model_run_dir` is right: the next
        try removes what a killed one has left there.

    Raises:
      DataError: there is no example.
    """
    records = _records(sorted(tf.io.gfile.glob(list(files))))
    first = next(iter(records), None)
    if first is None:
        raise DataError(f"{', '.join(files)}: expected at least one example. Received: none")
    spec, transform = transform_output.raw_feature_spec(), transform_output.transform_features_layer()

    # Autograph would take seconds, and there is no control flow.
    @tf.autograph.experimental.do_not_convert
    def transformed(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(transform(tf.io.parse_example(batch, spec)))

    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="examples-", dir=folder) as cache:
        chunks = (
            records.batch(_fitting(_CHUNK, _CHUNK_BYTES, len(first.numpy())))
            .map(transformed, num_parallel_calls=tf.data.AUTOTUNE)
            .cache(str(Path(cache, "chunks")))
        )
        # This pass writes the cache. TensorFlow warns of a partial one, though it is read to its end.
        with native_log.muted():
            count = sum(int(tf.shape(next(iter(chunk.values())))[0]) for chunk in chunks)
        size = sum(file.stat().st_size for file in Path(cache).iterdir()) // count
        held = _fitting(count, _SHUFFLED_BYTES, size + _TENSOR_BYTES * len(chunks.element_spec))
        yield TransformedExamples(count, chunks, held)


def _records(names: list[str]) -> tf.data.Dataset:
    """Return the serialized examples, of up to 16 shards in turn: never in an order that depends on threads."""
    random.Random(0).shuffle(names)  # noqa: S311  not for secrets
    records = tf.data.Dataset.from_tensor_slices(tf.constant(names, tf.string)).interleave(
        lambda name: tf.data.TFRecordDataset(name, compression_type="GZIP"), cycle_length=_OPEN_SHARDS
    )
    options = tf.data.Options()
    options.deterministic = True
    return records.with_options(options)


def _fitting(most: int, total_bytes: int, each: int) -> int:
    return max(1, min(most, total_bytes // each))
