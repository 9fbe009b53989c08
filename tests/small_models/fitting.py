"""What these models have in common where TensorFlow is: ingest of scikit-learn's tables, scaling and training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from nightlite.ondevice.in_tfx.export import export
from nightlite.ondevice.in_tfx.ingest.examples import Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.spans import Span
from tests.small_models.training_parameters import TrainingParams


def write_table(model: OnDeviceModel, table: Any, data_dir: Path) -> Span:
    """Write a table of scikit-learn's as the next span."""
    labels = table.target if model.labels else table.target.astype(np.float32)
    examples = Split({model.features[0].tensor.name: table.data.astype(np.float32)}, labels)
    return write_span(model, split_at_random(model.name, examples, model.labels), data_dir)


def scaled(inputs: dict[str, tf.Tensor], key: str, model: OnDeviceModel) -> dict[str, tf.Tensor]:
    """Return the feature with mean 0 and variance 1 in each place, and the label."""
    return {key: tft.scale_to_z_score(inputs[key], elementwise=True), model.label_key: inputs[model.label_key]}


def fit(fn_args: FnArgs, model: OnDeviceModel, layers: Callable[[], list[keras.Layer]], loss: str) -> None:
    """Train a network of these layers, made after the seed is set, and export it, as TFX's `run_fn`."""
    params = TrainingParams.model_validate(fn_args.custom_config)
    [feature] = model.features
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    options = tfxio.TensorFlowDatasetOptions(batch_size=1000, num_epochs=1, shuffle=False)
    schema = transform_output.transformed_metadata.schema
    [batch] = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema)
    values, labels = batch[feature.tensor.name].numpy(), batch[model.label_key].numpy().reshape(-1, 1)
    # Beam shuffles examples, and the same data should give the same model.
    order = sorted(range(len(labels)), key=lambda index: values[index].tobytes())
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input(feature.tensor.shape[1:]), *layers()])
    network.compile("adam", loss)
    network.optimizer.learning_rate = 0.005
    network.fit(values[order], labels[order], batch_size=32, epochs=params.epochs, verbose=0)

    def answer(transformed: dict[str, tf.Tensor]) -> tf.Tensor:
        return network(transformed[feature.tensor.name], training=False)

    export(network, answer, transform_output, model.contract, fn_args.serving_model_dir)
