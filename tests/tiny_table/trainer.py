"""Trainer of a small network of four inputs, exported with the two signatures that the library expects."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from nightlite.ondevice.in_tfx.export import export
from tests.tiny_table.features import CONTRACT, FEATURES, LABEL_KEY, LABELS, transformed_name
from tests.tiny_table.training_parameters import TrainingParams

_BATCH = 20
_NAMES = tuple(map(transformed_name, FEATURES))


def run_fn(fn_args: FnArgs) -> None:
    """Train and export, as TFX's `run_fn`. `custom_config` is a `TrainingParams`."""
    params = TrainingParams.model_validate(fn_args.custom_config)
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    options = tfxio.TensorFlowDatasetOptions(batch_size=1000, num_epochs=1, shuffle=False)
    schema = transform_output.transformed_metadata.schema
    [batch] = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema)
    columns = {name: batch[name].numpy().reshape(-1, 1) for name in _NAMES}
    # Beam shuffles examples, and the same data should give the same model.
    order = np.lexsort(tuple(values[:, 0] for values in columns.values()))
    keras.utils.set_random_seed(params.seed)
    network = build()
    network.compile("adam", "sparse_categorical_crossentropy")
    network.optimizer.learning_rate = 0.02
    network.fit(
        {name: values[order] for name, values in columns.items()},
        batch[transformed_name(LABEL_KEY)].numpy().reshape(-1)[order],
        batch_size=_BATCH,
        epochs=params.epochs,
        verbose=0,
    )

    def answer(transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return network({name: transformed[name] for name in _NAMES}, training=False)

    export(network, answer, transform_output, CONTRACT, fn_args.serving_model_dir)


def build() -> keras.Model:
    """Return a network of transformed features, float32 [n, 1] each."""
    inputs = {name: keras.Input((1,), name=name) for name in _NAMES}
    x = keras.layers.Concatenate()([inputs[name] for name in _NAMES])
    x = keras.layers.Dense(16, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(len(LABELS), activation="softmax")(x))
