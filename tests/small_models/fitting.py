"""What these models have in common where TensorFlow is: ingest of scikit-learn's tables, scaling and training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from nightlite.ondevice.in_tfx.export import export
from nightlite.ondevice.in_tfx.ingest.examples import Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.in_tfx.training_input import transformed_examples
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.spans import Span
from tests.small_models.training_parameters import TrainingParams

_BATCH, _SEED = 32, 1


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

    def values_and_labels(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return batch[feature.tensor.name], tf.reshape(batch[model.label_key], [-1, 1])

    keras.utils.set_random_seed(_SEED)
    network = keras.Sequential([keras.Input(feature.tensor.shape[1:]), *layers()])
    network.compile("adam", loss)
    network.optimizer.learning_rate = 0.005
    with transformed_examples(fn_args.train_files, transform_output, fn_args.model_run_dir) as examples:
        network.fit(
            examples.shuffled(_BATCH, _SEED).map(values_and_labels),
            steps_per_epoch=examples.steps(_BATCH),
            epochs=params.epochs,
            shuffle=False,
            verbose=0,
        )

    def answer(transformed: dict[str, tf.Tensor]) -> tf.Tensor:
        return network(transformed[feature.tensor.name], training=False)

    export(network, answer, transform_output, model.contract, fn_args.serving_model_dir)
