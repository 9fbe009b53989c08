"""Transform's preprocessing: none. Scaling and imputing are a part of the network, and so of the file."""

import tensorflow as tf


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return a batch as it is, as TFX's `preprocessing_fn`."""
    return dict(inputs)
