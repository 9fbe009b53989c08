"""Training input: a split's raw examples through Transform's graph, read shard by shard, in bounded memory.

The result is kept on the disk, so that further epochs parse nothing. Its order depends on the files and the seed
alone. A span's examples are shuffled when it is written.
"""

import contextlib
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft

from nightlite.errors import DataError

_CHUNK = 256  # examples that are parsed, transformed and kept together
# Examples to draw the next one from: 50 MB of small pictures.
_SHUFFLED = 16_384


@dataclass(frozen=True)
class TransformedExamples:
    """The transformed examples of a split: dictionaries of tensors by their transformed names.

    Attributes:
      count: the number of examples.
      chunks: a few hundred of them together, from the disk.
    """

    count: int
    chunks: tf.data.Dataset

    def batches(self, size: int) -> tf.data.Dataset:
        """Return one pass in the files' order: each tensor is [size, …], the last may be shorter."""
        return self.chunks.unbatch().batch(size).prefetch(tf.data.AUTOTUNE)

    def shuffled(self, size: int, seed: int) -> tf.data.Dataset:
        """Return endless batches, [size, …], of passes that are each in another order."""
        return self.chunks.unbatch().shuffle(min(self.count, _SHUFFLED), seed=seed).repeat().batch(size)

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
      folder: receives a temporary folder, which may be large: such as `FnArgs.model_run_dir`.

    Raises:
      DataError: there is no example.
    """
    names, spec = sorted(tf.io.gfile.glob(list(files))), transform_output.raw_feature_spec()
    transform = transform_output.transform_features_layer()

    # Autograph would take seconds, and there is no control flow.
    @tf.autograph.experimental.do_not_convert
    def transformed(records: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(transform(tf.io.parse_example(records, spec)))

    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="examples-", dir=folder) as cache:
        chunks = (
            tf.data.TFRecordDataset(names, compression_type="GZIP")
            .batch(_CHUNK)
            .map(transformed, num_parallel_calls=tf.data.AUTOTUNE)
            .cache(str(Path(cache, "chunks")))
        )
        # This pass writes the cache.
        count = sum(len(next(iter(chunk.values()))) for chunk in chunks)
        if not count:
            raise DataError(f"{', '.join(files)}: expected at least one example. Received: none")
        yield TransformedExamples(count, chunks)
