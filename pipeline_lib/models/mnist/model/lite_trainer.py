"""Trainer.mnist_lite: the trained model as a TFLite file. Nothing is trained, so the weights stay the same."""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from pydantic import TypeAdapter
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.trainer.rewriting import rewriter, rewriter_factory

from models.mnist.model import tflite_file
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, transformed_name
from models.mnist.model.trainer import read_examples
from nightlite.errors import ModelFileError
from nightlite.ondevice.quantization import Quantization

FILE_NAME = "tflite"
_EXAMPLES_COMPARED = 256
# Images of the training split: enough for stable activation ranges, half a second to run.
_EXAMPLES_CALIBRATED = 256


def run_fn(fn_args: FnArgs) -> None:
    """Rewrite the base model's `lite` signature, quantize it, and write a checked file named `tflite`.

    Args:
      fn_args: `custom_config` holds `quantization`, as in `RunOptions`. `base_model` is Trainer.mnist's SavedModel,
        whose `lite` signature takes `image_floats`, float32 [None, 784], in [-0.5, 0.5], and returns probabilities,
        float32 [None, 10].

    Raises:
      ValidationError: `custom_config` holds something else.
      ModelFileError: the file is not fit to ship.
    """
    mode = TypeAdapter(Quantization).validate_python(fn_args.custom_config["quantization"])
    base_model = tf.saved_model.load(fn_args.base_model)
    lite = base_model.signatures["lite"]
    with tempfile.TemporaryDirectory() as folder:
        saved_model = str(Path(folder) / "lite")
        # Under any other name, the input becomes `lite_image_floats`, which TFMA cannot match to the feature.
        tf.saved_model.save(base_model, saved_model, signatures={"serving_default": lite})
        rewrite(saved_model, fn_args.serving_model_dir)
    file = Path(fn_args.serving_model_dir) / FILE_NAME
    if not file.is_file():
        raise ModelFileError(f"{file}: expected a TFLite file from TFX's rewriter. Received: no file")
    if mode != "none":
        from models.mnist.model.quantization import quantize  # 2 s to import, and a float file needs none of it

        quantize(file, mode, _representative_images(fn_args))
    images = _some_images(fn_args)
    report = tflite_file.check(file, images, lite(**{IMAGE_KEY: tf.constant(images)}), mode)
    print(f"{file.name}: {report}", flush=True)


def rewrite(saved_model: str, folder: str) -> None:
    """Run TFX's TFLite rewriter, from a SavedModel folder to `folder/tflite`."""
    tflite_rewriter = rewriter_factory.create_rewriter(
        rewriter_factory.TFLITE_REWRITER, name="mnist_lite", filename=FILE_NAME
    )
    tflite_rewriter.perform_rewrite(
        rewriter.ModelDescription(rewriter.ModelType.SAVED_MODEL, saved_model),
        rewriter.ModelDescription(rewriter.ModelType.TFLITE_MODEL, folder),
    )


def _representative_images(fn_args: FnArgs) -> npt.NDArray[np.float32]:
    """Return training images, float32 [up to 256, 784], always the same, in the order of their digests."""
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    split = read_examples(fn_args.data_accessor, fn_args.train_files, transform_output)
    return split.images[:_EXAMPLES_CALIBRATED]


def _some_images(fn_args: FnArgs) -> npt.NDArray[np.float32]:
    """Return real images of the eval split, float32 [up to 256, 784]."""
    spec = {transformed_name(IMAGE_KEY): tf.io.FixedLenFeature([IMAGE_SIZE], tf.float32)}
    files = tf.io.gfile.glob(fn_args.eval_files)
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_EXAMPLES_COMPARED)
    batch = next(iter(records))
    return np.asarray(tf.io.parse_example(batch, spec)[transformed_name(IMAGE_KEY)].numpy(), dtype=np.float32)
