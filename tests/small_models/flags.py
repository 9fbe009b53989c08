"""Coloured pictures that are not square: flags of three stripes, upright, level or none, in any colours."""

from pathlib import Path
from typing import Any

from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.model import Feature, OnDeviceModel, Picture, Words
from nightlite.ondevice.spans import Span
from nightlite.ondevice.task import Classification

KEY = "picture"
HEIGHT, WIDTH = 16, 24
MODEL = OnDeviceModel(
    name="flags",
    title="Stripes of flags",
    features=(
        Feature(
            tensor=TensorContract(name=KEY, dtype="float32", shape=(1, HEIGHT, WIDTH, 3)),
            meaning=Meaning(
                description="24 x 16 pixels",
                unit="level, 0 to 255",
                scale=1 / 255,
                order="row by row; red, green, blue",
            ),
        ),
    ),
    output=TensorContract(name="probabilities", dtype="float32", shape=(1, 3)),
    label_key="stripes",
    task=Classification(labels=("upright", "level", "none")),
    training_parameters="tests.small_models.training_parameters:TrainingParams",
    preprocessing_fn="tests.small_models.flags.preprocessing_fn",
    run_fn="tests.small_models.flags.run_fn",
    ingest="tests.small_models.flags:ingest",
    show=Picture(width=WIDTH, height=HEIGHT, channels=3, black=0, white=1),
    words=Words(one="flag", many="flags"),
    intended_use="A test.",
    limits="A test.",
    data_licence="Made by the test.",
    gate_bounds={"min_accuracy": 0.8, "min_class_accuracy": 0.6, "max_loss": 0.6},
)


def ingest(source: str, data_dir: Path) -> Span:
    import numpy as np

    from nightlite.ondevice.in_tfx.ingest.examples import Split, split_at_random
    from nightlite.ondevice.in_tfx.ingest.write_span import write_span

    random = np.random.default_rng(1)
    labels = np.arange(240) % 3
    pictures = [_flag(random.integers(0, 256, (3, 3)), label) for label in labels]
    noisy = np.clip(np.stack(pictures) + random.normal(0, 10, (240, HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    return write_span(MODEL, split_at_random(source, Split({KEY: noisy}, labels), MODEL.labels), data_dir)


def _flag(colours: Any, label: int) -> Any:
    import numpy as np

    upright = np.repeat(colours[np.newaxis], HEIGHT, axis=0).repeat(WIDTH // 3, axis=1)
    level = np.repeat(colours[[0, 0, 1, 1, 2], np.newaxis], WIDTH, axis=1).repeat(4, axis=0)[:HEIGHT]
    return (upright, level, np.broadcast_to(colours[0], (HEIGHT, WIDTH, 3)))[label]


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    import tensorflow as tf

    # A span has each picture in one row.
    return {KEY: tf.reshape(inputs[KEY], [-1, HEIGHT, WIDTH, 3]), MODEL.label_key: inputs[MODEL.label_key]}


def run_fn(fn_args: Any) -> None:
    import keras

    from tests.small_models.fitting import fit

    def layers() -> list[keras.Layer]:
        return [
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]

    fit(fn_args, MODEL, layers, "sparse_categorical_crossentropy")
