"""Trainer: trains a small network on the transformed examples, and exports it with two signatures."""

from collections.abc import Mapping

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from models.penguins.features import CATEGORIES, FEATURES, LABEL_KEY, LABELS, LITE_CONTRACT, transformed_name
from models.penguins.training_parameters import TrainingParams
from nightlite.ondevice.in_tfx.export import export
from nightlite.ondevice.in_tfx.training_input import TransformedExamples, transformed_examples

_BATCH = 20
_EVAL_BATCH = 1024
_SIZES = {transformed_name(name): len(CATEGORIES.get(name, ("a measure",))) for name in FEATURES}


def run_fn(fn_args: FnArgs) -> None:
    """Train and export the model, as TFX's `run_fn`. `custom_config` is a `TrainingParams`.

    Raises:
      ValidationError: `custom_config` holds something else.
      DataError: a split is empty.
    """
    params = TrainingParams.model_validate(fn_args.custom_config or {})
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    with (
        transformed_examples(fn_args.train_files, transform_output, fn_args.model_run_dir) as train_split,
        transformed_examples(fn_args.eval_files, transform_output, fn_args.model_run_dir) as eval_split,
    ):
        network = train(train_split, eval_split, params)

    def answer(transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return network({name: transformed[name] for name in _SIZES}, training=False)

    export(network, answer, transform_output, LITE_CONTRACT, fn_args.serving_model_dir)


def train(train_split: TransformedExamples, eval_split: TransformedExamples, params: TrainingParams) -> keras.Model:
    """Train a new network. The same arguments give the same weights."""
    keras.utils.set_random_seed(params.seed)
    network = build_network()
    network.compile(
        keras.optimizers.Adam(params.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # XLA on a CPU: seconds to compile, and slower steps
    )
    history = network.fit(
        train_split.shuffled(_BATCH, params.seed).map(_features_and_labels),
        steps_per_epoch=train_split.steps(_BATCH),
        epochs=params.epochs,
        validation_data=eval_split.batches(_EVAL_BATCH).map(_features_and_labels),
        shuffle=False,
        verbose=0,
    ).history
    last = {name: values[-1] for name, values in history.items()}
    print(
        f"{train_split.count:,} examples to train on, {eval_split.count:,} to evaluate on, {params.epochs} epochs, "
        f"{network.count_params():,} parameters: loss {last['loss']:.4f}, accuracy {last['accuracy']:.4f}, "
        f"eval loss {last['val_loss']:.4f}, eval accuracy {last['val_accuracy']:.4f}",
        flush=True,
    )
    return network


def _features_and_labels(batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    return {name: batch[name] for name in _SIZES}, tf.reshape(batch[transformed_name(LABEL_KEY)], [-1])


def build_network() -> keras.Model:
    """Return a network from transformed features to probabilities, float32 [n, labels]."""
    inputs = {name: keras.Input((size,), name=name) for name, size in _SIZES.items()}
    x = keras.layers.Concatenate()(list(inputs.values()))
    x = keras.layers.Dense(16, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(len(LABELS), activation="softmax", name="probabilities")(x))
