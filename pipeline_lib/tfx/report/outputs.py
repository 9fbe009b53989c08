"""Every model's probabilities for every example of the eval split, each in the runtime that serves it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from pipeline_lib.errors import DataError, ModelFileError

SIGNATURE = "lite"
_BATCH = 500


@dataclass(frozen=True)
class Examples:
    """A split in memory: images float32 [n, side * side] in [-0.5, 0.5], labels int64 [n]."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def identity(self) -> str:
        """Return a hash of all examples in their order."""
        found = hashlib.sha256(self.images.tobytes())
        found.update(self.labels.tobytes())
        return found.hexdigest()[:16]


def read_examples(folder: Path, image_key: str, label_key: str) -> Examples:
    """Read a split of gzip-compressed TFRecords of tf.Example, in the files' order.

    Raises:
      DataError: it holds no example.
    """
    spec = {
        image_key: tf.io.VarLenFeature(tf.float32),
        label_key: tf.io.FixedLenFeature([], tf.int64),
    }
    images, labels = [], []
    for records in tf.data.TFRecordDataset(sorted(map(str, folder.glob("*"))), compression_type="GZIP").batch(_BATCH):
        parsed = tf.io.parse_example(records, spec)
        images.append(tf.sparse.to_dense(parsed[image_key]).numpy())
        labels.append(parsed[label_key].numpy())
    if not images:
        raise DataError(f"{folder}: expected at least one example to compare models on. Received: none")
    return Examples(np.concatenate(images), np.concatenate(labels))


def keras_probabilities(saved_model: Path, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What the SavedModel's `lite` signature returns, float32 [n, classes].

    Raises:
      ModelFileError: it has no such signature.
    """
    model = tf.saved_model.load(str(saved_model))
    if SIGNATURE not in model.signatures:
        raise ModelFileError(
            f"{saved_model}: expected a signature {SIGNATURE!r}, which takes the images. "
            f"Received: {', '.join(model.signatures) or 'none'}"
        )
    signature = model.signatures[SIGNATURE]
    [name] = signature.structured_input_signature[1]
    return np.concatenate(
        [next(iter(signature(**{name: tf.constant(batch)}).values())).numpy() for batch in _batches(images)]
    )


def tflite_probabilities(file: Path, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What LiteRT, as it ships (XNNPACK on), makes of the images, float32 [n, classes].

    Raises:
      ModelFileError: LiteRT cannot load the file.
    """
    try:
        interpreter = Interpreter(model_path=str(file), num_threads=1)
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(f"{file}: LiteRT cannot load it: {error}") from None
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for batch in _batches(images):
        interpreter.resize_tensor_input(taken["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], batch)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given["index"]).copy())
    return np.concatenate(outputs)


def _batches(images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    return [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
