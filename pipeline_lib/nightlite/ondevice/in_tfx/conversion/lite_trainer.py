"""Trainer of the file on phones: the trained model as TFLite. Nothing is trained, so the weights stay the same.

The first Trainer's SavedModel must have a signature `lite`, with one output. It takes one float32 tensor per feature,
by the feature's name. The values are those that an app passes: Transform's work is part of the signature.
`in_tfx/export.py` writes such a SavedModel.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from pydantic import BaseModel, ConfigDict, Json
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.trainer.rewriting import rewriter, rewriter_factory

from nightlite import durable
from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.file_contract import SIGNATURE, TFLITE_FILE, FileContract
from nightlite.ondevice.in_tfx.conversion import tflite_file
from nightlite.ondevice.in_tfx.conversion.closed_batch import one_example, with_batches
from nightlite.ondevice.in_tfx.raw_examples import Inputs, read_inputs
from nightlite.ondevice.quantization import Quantization

_EXAMPLES_COMPARED = 256
# Of the training split: enough for stable activation ranges, half a second to run.
_EXAMPLES_CALIBRATED = 256
_SHARDS_CALIBRATED = 16


class Conversion(BaseModel):
    """The Trainer's `custom_config`: the run parameter, and the contract of the file as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantization: Quantization = "none"
    contract: Json[FileContract]


def run_fn(fn_args: FnArgs) -> None:
    """Rewrite the base model's `lite` signature, quantize it, and write a checked file named `tflite`.

    Args:
      fn_args: `custom_config` is a `Conversion`. `base_model` is the first Trainer's SavedModel, with the signature
        `lite` that the module describes. The examples are raw. The activations' ranges are those of the train split.
        The file is compared with the base model on the eval split.

    Raises:
      ValidationError: `custom_config` holds something else.
      DataError: a split is empty.
      ModelFileError: the file is not fit to ship.
    """
    told = Conversion.model_validate(fn_args.custom_config or {})
    base_model = tf.saved_model.load(fn_args.base_model)
    lite = _lite(base_model, fn_args.base_model)
    file = convert(base_model, lite, fn_args.serving_model_dir)
    if told.quantization != "none":
        # 2 s to import, and a float file needs none of it.
        from nightlite.ondevice.in_tfx.conversion.quantization import quantize

        quantize(file, told.quantization, _representative(_files(fn_args.train_files), told.contract))
    inputs = read_inputs(_files(fn_args.eval_files), told.contract, _EXAMPLES_COMPARED)
    expected = lite(**{name: tf.constant(values) for name, values in inputs.items()})
    report = tflite_file.check(file, told.contract, inputs, expected, told.quantization)
    print(f"{file.name}: {report}", flush=True)


def convert(model: tf.Module, lite: tf.types.experimental.ConcreteFunction, folder: str) -> Path:
    """Write `folder/tflite`, the float file of a loaded SavedModel's signature, and return it.

    Raises:
      ModelFileError: TFX's rewriter left no file, or one that is none.
    """
    with tempfile.TemporaryDirectory() as temporary:
        saved_model = str(Path(temporary) / "lite")
        tf.saved_model.save(model, saved_model, signatures={SIGNATURE: one_example(lite)})
        rewrite(saved_model, folder)
    file = Path(folder) / TFLITE_FILE
    if not file.is_file():
        raise ModelFileError(f"{file}: expected a TFLite file from TFX's rewriter. Received: no file")
    try:
        content = with_batches(file.read_bytes())
    except Exception as error:  # a truncated flatbuffer raises errors of many types
        raise ModelFileError(f"{file}: expected a TFLite file. Received: {type(error).__name__}: {error}") from None
    durable.write(file, content)
    return file


def rewrite(saved_model: str, folder: str) -> None:
    """Run TFX's TFLite rewriter, from a SavedModel folder to `folder/tflite`."""
    tflite_rewriter = rewriter_factory.create_rewriter(
        rewriter_factory.TFLITE_REWRITER, name="lite", filename=TFLITE_FILE
    )
    tflite_rewriter.perform_rewrite(
        rewriter.ModelDescription(rewriter.ModelType.SAVED_MODEL, saved_model),
        rewriter.ModelDescription(rewriter.ModelType.TFLITE_MODEL, folder),
    )


def _lite(base_model: tf.Module, folder: str) -> tf.types.experimental.ConcreteFunction:
    """Return the signature, whose inputs the check of the file compares with the contract."""
    if "lite" not in base_model.signatures:
        found = ", ".join(base_model.signatures) or "none"
        raise ModelFileError(f"{folder}: expected a signature 'lite' with one tensor a feature. Received: {found}")
    return base_model.signatures["lite"]


def _files(patterns: list[str]) -> list[str]:
    found: list[str] = tf.io.gfile.glob(patterns)
    return found


def _representative(files: list[str], contract: FileContract) -> Inputs:
    """Return up to 256 training examples, always the same: the first ones of up to 16 shards of all spans.

    A span's examples are in random order, so its first ones represent it. The rest of the split is not read.
    """
    shards = sorted(files)[:: math.ceil(len(files) / _SHARDS_CALIBRATED)]
    share = math.ceil(_EXAMPLES_CALIBRATED / len(shards))
    parts = [read_inputs([shard], contract, share) for shard in shards]
    return {name: np.concatenate([part[name] for part in parts])[:_EXAMPLES_CALIBRATED] for name in parts[0]}
