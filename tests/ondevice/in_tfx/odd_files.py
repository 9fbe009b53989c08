"""TFLite files with another contract than the pipeline's, each of one layer."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from nightlite.ondevice.in_tfx.conversion.flatbuffer import packed, parsed


def odd_file(
    folder: Path,
    *,
    size: int,
    classes: int,
    dtype: tf.DType = tf.float32,
    signatures: Sequence[str] = ("serving_default",),
    batch: int | None = 1,
    name: str = "pixels",
) -> bytes:
    """Return a softmax over `size` numbers named `name`; without signatures if none is named."""
    weights = tf.random.stateless_normal([size, classes], seed=(1, 2))

    @tf.function(input_signature=[tf.TensorSpec([batch, size], dtype, name=name)])
    def answer(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"p": tf.nn.softmax(tf.matmul(tf.cast(pixels, tf.float32), weights))}

    module = tf.Module()
    module.answer = answer
    names = list(signatures) or ["serving_default"]
    tf.saved_model.save(module, str(folder), signatures=dict.fromkeys(names, answer.get_concrete_function()))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=names)
    content = converter.convert()
    if signatures:
        return content
    model = parsed(content)
    model.signatureDefs = []
    return packed(model)
