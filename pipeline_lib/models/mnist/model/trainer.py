"""Trainer.mnist: trains the network, and exports it with two signatures."""

import math
from collections.abc import Mapping

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from models.mnist.model.augmentation import Distortion, distort
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LABEL_KEY, LITE_CONTRACT, transformed_name
from models.mnist.model.network import Tabulated, build_network, one_cycle
from models.mnist.model.training_parameters import TrainingParams
from nightlite.errors import NightliteError
from nightlite.ondevice.in_tfx.export import export as export_model
from nightlite.ondevice.in_tfx.training_input import TransformedExamples, transformed_examples

# Training needs steps, so an epoch passes over a small data set several times.
MIN_STEPS_PER_EPOCH = 30
_WEIGHT_DECAY = 0.01
_EVAL_BATCH = 500

# As tf.summary.scalar writes it. That function needs the tensorboard package, which TensorFlow 2.21 lacks.
_SCALAR = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")


def run_fn(fn_args: FnArgs) -> None:
    """Train and export the model, as TFX's `run_fn`.

    Args:
      fn_args: `custom_config` holds `epochs`, `batch_size`, `learning_rate` and `seed`, as in `TrainingParams`. The
        SavedModel goes to `serving_model_dir`, TensorBoard's logs to `model_run_dir`.

    Raises:
      ValidationError: `custom_config` holds something else.
      DataError: a split is empty.
      NightliteError: training diverged.
    """
    params = TrainingParams.model_validate(fn_args.custom_config or {})
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    with (
        transformed_examples(fn_args.train_files, transform_output, fn_args.model_run_dir) as train_split,
        transformed_examples(fn_args.eval_files, transform_output, fn_args.model_run_dir) as eval_split,
    ):
        network = train(train_split, eval_split, params, fn_args.model_run_dir)
    export(network, transform_output, fn_args.serving_model_dir)


def train(
    train_split: TransformedExamples, eval_split: TransformedExamples, params: TrainingParams, log_dir: str
) -> keras.Model:
    """Train a new network, with a line of progress per epoch. The same arguments give the same weights.

    Raises:
      NightliteError: the loss is no longer a finite number.
    """
    keras.utils.set_random_seed(params.seed)
    steps_per_epoch = max(MIN_STEPS_PER_EPOCH, train_split.steps(params.batch_size))
    schedule = Tabulated(
        one_cycle(params.learning_rate, params.epochs * steps_per_epoch), params.epochs * steps_per_epoch
    )
    network = build_network()
    network.compile(
        keras.optimizers.AdamW(schedule, weight_decay=_WEIGHT_DECAY),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # XLA on a CPU: up to 20 s to compile, and slower steps
    )
    # With all variables built first, Keras traces the step once instead of twice.
    network.optimizer.build(network.trainable_variables)
    print(
        f"{train_split.count:,} examples to train on, {eval_split.count:,} to evaluate on, "
        f"{params.epochs} epochs of {steps_per_epoch} steps, {network.count_params():,} parameters",
        flush=True,
    )
    network.fit(
        training_batches(train_split, params.batch_size, params.seed),
        epochs=params.epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=eval_split.batches(_EVAL_BATCH).map(_images_and_labels),
        shuffle=False,
        verbose=0,
        callbacks=[_EpochReport(params, log_dir)],
    )
    return network


def training_batches(split: TransformedExamples, batch_size: int, seed: int) -> tf.data.Dataset:
    """Return endless shuffled, distorted batches: (images float32 [batch, 784], labels int64 [batch])."""

    @tf.autograph.experimental.do_not_convert
    def distorted(number: tf.Tensor, batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        # The batch's number seeds its distortions, so they do not depend on threads.
        images, labels = _images_and_labels(batch)
        return distort(images, tf.stack([tf.constant(seed, tf.int64), number]), Distortion()), labels

    numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(), split.shuffled(batch_size, seed))
    return numbered.map(distorted, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _images_and_labels(batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    labels = tf.reshape(batch[transformed_name(LABEL_KEY)], [-1])
    return tf.reshape(batch[transformed_name(IMAGE_KEY)], [-1, IMAGE_SIZE]), labels


def export(network: keras.Model, transform_output: tft.TFTransformOutput, folder: str) -> None:
    """Write the SavedModel whose signatures return `probabilities`, float32 [n, 10], of raw examples."""

    def answer(transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return network(transformed[transformed_name(IMAGE_KEY)], training=False)

    export_model(network, answer, transform_output, LITE_CONTRACT, folder)


class _EpochReport(keras.callbacks.Callback):
    """Callback that writes a line and TensorBoard's scalars per epoch, and stops a training that has diverged."""

    def __init__(self, params: TrainingParams, log_dir: str) -> None:
        super().__init__()
        self._run_params = params
        self._log_dir = log_dir

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._writer = tf.summary.create_file_writer(self._log_dir)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        reached, values = f"epoch {epoch + 1} of {self._run_params.epochs}", logs or {}
        if not math.isfinite(values["loss"]):
            raise NightliteError(
                f"training diverged: expected a finite loss. Received: {values['loss']} in {reached}, with "
                f"learning_rate {self._run_params.learning_rate}. Lower it, or look for images that are not numbers"
            )
        print(
            f"{reached}: loss {values['loss']:.4f}, accuracy {values['accuracy']:.4f}, "
            f"eval loss {values['val_loss']:.4f}, eval accuracy {values['val_accuracy']:.4f}",
            flush=True,
        )
        with self._writer.as_default(step=epoch):
            for name, value in values.items():
                tf.summary.write(name, value, metadata=_SCALAR)
        self._writer.flush()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._writer.close()
