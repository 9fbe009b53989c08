"""Transform's preprocessing: a missing measure becomes the mean, and each is scaled. It is a part of the file."""

import tensorflow as tf
import tensorflow_transform as tft

from tests.tiny_table.features import FEATURES, LABEL_KEY, transformed_name


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return each feature, float32 [batch, 1], imputed and scaled, and the label, as TFX's `preprocessing_fn`."""
    outputs = {transformed_name(name): _scaled(inputs[name]) for name in FEATURES}
    return {**outputs, transformed_name(LABEL_KEY): inputs[LABEL_KEY]}


def _scaled(values: tf.Tensor) -> tf.Tensor:
    """Return values whose known ones have mean 0 and variance 1. A missing one, NaN, becomes 0."""
    known = tf.math.logical_not(tf.math.is_nan(values))
    count = tft.sum(tf.cast(known, tf.float32))
    filled = tf.where(known, values, 0.0)
    mean = tft.sum(filled) / count
    variance = tft.sum(tf.square(filled)) / count - tf.square(mean)
    return tf.where(known, (filled - mean) / tf.sqrt(variance), 0.0)
