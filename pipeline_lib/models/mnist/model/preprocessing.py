"""Transform's preprocessing of an example before training. It is exported with the model for serving."""

import tensorflow as tf

from models.mnist.model.features import IMAGE_KEY, LABEL_KEY, transformed_name


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Transform a batch, as TFX's `preprocessing_fn`.

    Args:
      inputs: `image_floats`, float32 [batch, 784], in [-0.5, 0.5]; `image_class`, int64 [batch, 1].

    Returns:
      The same values under their transformed names. A step added here, such as a mean over the data set, becomes a
      part of the file on phones.
    """
    return {
        transformed_name(IMAGE_KEY): tf.cast(inputs[IMAGE_KEY], tf.float32),
        transformed_name(LABEL_KEY): tf.cast(inputs[LABEL_KEY], tf.int64),
    }
