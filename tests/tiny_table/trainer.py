"""Trainer of a small network of four inputs, exported with the two signatures that the library expects."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from tests.tiny_table.features import FEATURES, LABEL_KEY, LABELS
from tests.tiny_table.training_parameters import TrainingParams

_BATCH = 20


def run_fn(fn_args: FnArgs) -> None:
    """Train and export, as TFX's `run_fn`. `custom_config` is a `TrainingParams`."""
    params = TrainingParams.model_validate(fn_args.custom_config)
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    options = tfxio.TensorFlowDatasetOptions(batch_size=1000, num_epochs=1, shuffle=False)
    schema = transform_output.transformed_metadata.schema
    [batch] = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema)
    columns = {name: batch[name].numpy().reshape(-1, 1) for name in FEATURES}
    # Beam shuffles examples, and the same data should give the same model.
    order = np.lexsort(tuple(values[:, 0] for values in columns.values()))
    keras.utils.set_random_seed(params.seed)
    network = build({name: values[order] for name, values in columns.items()})
    network.compile("adam", "sparse_categorical_crossentropy")
    network.optimizer.learning_rate = 0.02
    network.fit(
        {name: values[order] for name, values in columns.items()},
        batch[LABEL_KEY].numpy().reshape(-1)[order],
        batch_size=_BATCH,
        epochs=params.epochs,
        verbose=0,
    )
    export(network, transform_output, fn_args.serving_model_dir)


def build(columns: dict[str, np.ndarray]) -> keras.Model:
    """Return a network that imputes and scales by these columns, float32 [n, 1]: it takes raw values."""
    inputs = {name: keras.Input((1,), name=name) for name in FEATURES}
    values = np.concatenate([columns[name] for name in FEATURES], axis=1)
    mean, spread = (np.asarray(of(values, axis=0), np.float32) for of in (np.nanmean, np.nanstd))
    x = keras.layers.Concatenate()([inputs[name] for name in FEATURES])
    x = keras.ops.where(keras.ops.isnan(x), mean, x)
    x = keras.layers.Dense(16, activation="relu")((x - mean) / spread)
    return keras.Model(inputs, keras.layers.Dense(len(LABELS), activation="softmax")(x))


def export(network: keras.Model, transform_output: tft.TFTransformOutput, folder: str) -> None:
    """Write a SavedModel with `serving_default` on serialized tf.Examples and `lite` on one tensor a feature."""
    spec = {name: kind for name, kind in transform_output.raw_feature_spec().items() if name != LABEL_KEY}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def serve_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": network(tf.io.parse_example(examples, spec), training=False)}

    signature = {name: tf.TensorSpec([None, 1], tf.float32, name=name) for name in FEATURES}

    @tf.function(input_signature=[signature], autograph=False)
    def serve_values(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"probabilities": network(columns, training=False)}

    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serving_default", serve_examples)
    archive.add_endpoint("lite", serve_values)
    archive.write_out(folder, verbose=False)
