"""Trainer of a small network of four inputs, exported with the two signatures that the library expects."""

from collections.abc import Mapping

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from nightlite.ondevice.in_tfx.export import export
from nightlite.ondevice.in_tfx.training_input import transformed_examples
from tests.tiny_table.features import CONTRACT, FEATURES, LABEL_KEY, LABELS, transformed_name
from tests.tiny_table.training_parameters import TrainingParams

_BATCH = 20
_NAMES = tuple(map(transformed_name, FEATURES))


def run_fn(fn_args: FnArgs) -> None:
    """Train and export, as TFX's `run_fn`. `custom_config` is a `TrainingParams`."""
    params = TrainingParams.model_validate(fn_args.custom_config)
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    keras.utils.set_random_seed(params.seed)
    network = build()
    network.compile("adam", "sparse_categorical_crossentropy")
    network.optimizer.learning_rate = 0.02
    with transformed_examples(fn_args.train_files, transform_output, fn_args.model_run_dir) as examples:
        network.fit(
            examples.shuffled(_BATCH, params.seed).map(_features_and_labels),
            steps_per_epoch=examples.steps(_BATCH),
            epochs=params.epochs,
            shuffle=False,
            verbose=0,
        )

    def answer(transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return network({name: transformed[name] for name in _NAMES}, training=False)

    export(network, answer, transform_output, CONTRACT, fn_args.serving_model_dir)


def _features_and_labels(batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    return {name: batch[name] for name in _NAMES}, tf.reshape(batch[transformed_name(LABEL_KEY)], [-1])


def build() -> keras.Model:
    """Return a network of transformed features, float32 [n, 1] each."""
    inputs = {name: keras.Input((1,), name=name) for name in _NAMES}
    x = keras.layers.Concatenate()([inputs[name] for name in _NAMES])
    x = keras.layers.Dense(16, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(len(LABELS), activation="softmax")(x))
