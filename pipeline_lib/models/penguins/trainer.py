"""Trainer: trains a small network on the transformed examples, and exports it with two signatures."""

from collections.abc import Mapping

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from models.penguins.features import CATEGORIES, FEATURES, LABEL_KEY, LABELS, LITE_CONTRACT, transformed_name
from models.penguins.training_parameters import TrainingParams
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.export import export

_BATCH = 20
_READ_BATCH = 1024
_SIZES = {transformed_name(name): len(CATEGORIES.get(name, ("a measure",))) for name in FEATURES}

# Transformed features by their names, float32 [n, size], and the labels, int64 [n].
Split = tuple[Mapping[str, npt.NDArray[np.float32]], npt.NDArray[np.int64]]


def run_fn(fn_args: FnArgs) -> None:
    """Train and export the model, as TFX's `run_fn`. `custom_config` is a `TrainingParams`.

    Raises:
      ValidationError: `custom_config` holds something else.
      DataError: a split is empty.
    """
    params = TrainingParams.model_validate(fn_args.custom_config or {})
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    train_split, eval_split = (
        read_examples(fn_args, files, transform_output) for files in (fn_args.train_files, fn_args.eval_files)
    )
    network = train(train_split, eval_split, params)

    def answer(transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return network({name: transformed[name] for name in _SIZES}, training=False)

    export(network, answer, transform_output, LITE_CONTRACT, fn_args.serving_model_dir)


def read_examples(fn_args: FnArgs, files: list[str], transform_output: tft.TFTransformOutput) -> Split:
    """Read a whole split.

    Raises:
      DataError: it is empty.
    """
    options = tfxio.TensorFlowDatasetOptions(batch_size=_READ_BATCH, num_epochs=1, shuffle=False)
    schema = transform_output.transformed_metadata.schema
    batches = list(fn_args.data_accessor.tf_dataset_factory(files, options, schema))
    if not batches:
        raise DataError(f"{', '.join(files)}: expected at least one example. Received: none")
    columns = {
        name: np.concatenate([batch[name].numpy().reshape(-1, size) for batch in batches])
        for name, size in _SIZES.items()
    }
    labels = np.concatenate([batch[transformed_name(LABEL_KEY)].numpy().reshape(-1) for batch in batches])
    # Beam shuffles with random keys, so that two runs read the same examples in different orders.
    order = np.lexsort((labels, *np.concatenate(list(columns.values()), axis=1).T))
    return {name: values[order] for name, values in columns.items()}, labels[order]


def train(train_split: Split, eval_split: Split, params: TrainingParams) -> keras.Model:
    """Train a new network. The same arguments give the same weights."""
    keras.utils.set_random_seed(params.seed)
    network = build_network()
    network.compile(
        keras.optimizers.Adam(params.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # XLA on a CPU: seconds to compile, and slower steps
    )
    columns, labels = train_split
    history = network.fit(
        dict(columns), labels, batch_size=_BATCH, epochs=params.epochs, validation_data=eval_split, verbose=0
    ).history
    last = {name: values[-1] for name, values in history.items()}
    print(
        f"{len(labels):,} examples to train on, {len(eval_split[1]):,} to evaluate on, {params.epochs} epochs, "
        f"{network.count_params():,} parameters: loss {last['loss']:.4f}, accuracy {last['accuracy']:.4f}, "
        f"eval loss {last['val_loss']:.4f}, eval accuracy {last['val_accuracy']:.4f}",
        flush=True,
    )
    return network


def build_network() -> keras.Model:
    """Return a network from transformed features to probabilities, float32 [n, labels]."""
    inputs = {name: keras.Input((size,), name=name) for name, size in _SIZES.items()}
    x = keras.layers.Concatenate()(list(inputs.values()))
    x = keras.layers.Dense(16, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(len(LABELS), activation="softmax", name="probabilities")(x))
