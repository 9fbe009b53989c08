"""The network and its optimization."""

from typing import Any

import keras
import tensorflow as tf

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE, IMAGE_SIZE, NUM_CLASSES, transformed_name

# (filters, kernel side, stride). One wide kernel at half resolution beats two narrow ones at full.
_CONVOLUTIONS = ((16, 5, 2), (32, 3, 1), (32, 3, 2), (48, 3, 1), (48, 3, 1))


def build_network() -> keras.Model:
    """Return a small convolutional network. docs/decisions/0003-network.md has the reasons.

    Returns:
      A model from images, float32 [batch, 784], to probabilities, float32 [batch, 10]. Every layer converts to a
      TFLite builtin that XNNPACK runs and that can be quantized to int8. Batch normalization folds into the kernels.
    """
    image = keras.Input((IMAGE_SIZE,), name=transformed_name(IMAGE_KEY))
    x = keras.layers.Reshape((IMAGE_SIDE, IMAGE_SIDE, 1))(image)
    for filters, side, stride in _CONVOLUTIONS:
        x = keras.layers.Conv2D(filters, side, strides=stride, padding="same", use_bias=False)(x)
        # In short runs, Keras's momentum of 0.99 would let the moving statistics lag behind the weights.
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    # A weighted mean per channel, because a stroke's position distinguishes digits.
    x = keras.layers.DepthwiseConv2D(x.shape[1], name="weighted_pooling")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(NUM_CLASSES, activation="softmax", name="probabilities")(x))


def one_cycle(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a schedule that warms up for a fifth of the steps, then follows a cosine to nearly nothing.

    Source: Smith and Topin, "Super-Convergence" (arXiv:1708.07120), with Loshchilov and Hutter's cosine
    (arXiv:1608.03983) for the way down.

    Args:
      peak: largest learning rate.
      steps: training steps, at least 2.
    """
    warm_up = max(1, steps // 5)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 10,
        warmup_target=peak,
        warmup_steps=warm_up,
        decay_steps=max(1, steps - warm_up),
        alpha=0.005,
    )


class Tabulated(keras.optimizers.schedules.LearningRateSchedule):
    """Precomputed rates of another schedule, whose graph would be traced again for each variable's update."""

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int) -> None:
        """Compute the rates of `steps` training steps. Afterwards the last rate holds."""
        self.schedule, self.steps = schedule, steps
        self._rates = _rates(schedule, steps)

    def __call__(self, step: Any) -> Any:
        return tf.gather(self._rates, tf.minimum(tf.cast(step, tf.int32), self.steps))

    def get_config(self) -> dict[str, Any]:
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "steps": self.steps}


def _rates(schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int) -> tf.Tensor:
    @tf.function(autograph=False)
    def rates() -> tf.Tensor:
        return tf.map_fn(schedule, tf.range(steps + 1), fn_output_signature=tf.float32)

    return rates()
