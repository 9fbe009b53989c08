"""Transform's preprocessing, which becomes a part of the file on phones: a missing value needs no work in an app."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft

from models.penguins.features import CATEGORIES, LABEL_KEY, MEASURES, transformed_name


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Transform a batch, as TFX's `preprocessing_fn`.

    Args:
      inputs: each feature, float32 [batch, 1], NaN where it is missing; the label, int64 [batch, 1].

    Returns:
      Under their transformed names: measures [batch, 1], imputed and scaled; categories [batch, words]; the label.
    """
    return {
        **{transformed_name(name): _scaled(inputs[name]) for name in MEASURES},
        **{transformed_name(name): _one_hot(inputs[name], words) for name, words in CATEGORIES.items()},
        transformed_name(LABEL_KEY): inputs[LABEL_KEY],
    }


def _scaled(values: tf.Tensor) -> tf.Tensor:
    """Return values whose known ones have mean 0 and variance 1. A missing one becomes the mean, 0."""
    known = tf.math.logical_not(tf.math.is_nan(values))
    count = tft.sum(tf.cast(known, tf.float32))
    mean = tft.sum(tf.where(known, values, 0.0)) / count
    centred = tf.where(known, values - mean, 0.0)
    return centred / tf.sqrt(tft.sum(tf.square(centred)) / count)


def _one_hot(codes: tf.Tensor, words: Sequence[str]) -> tf.Tensor:
    """Return 1 at the code's place. A missing code equals none, and is 0 everywhere."""
    return tf.cast(tf.equal(codes, tf.range(len(words), dtype=tf.float32)), tf.float32)
