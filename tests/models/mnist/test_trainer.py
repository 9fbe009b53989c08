"""run_fn for real: one epoch on a few generated digits, through Transform's own graph."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from pydantic import ValidationError
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx import v1 as tfx
from tfx.components.util import tfxio_utils
from tfx.proto import example_gen_pb2

from models.mnist.model import trainer
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LABEL_KEY, LITE_CONTRACT
from models.mnist.model.preprocessing import preprocessing_fn
from nightlite.errors import DataError, NightliteError
from nightlite.ondevice.in_tfx.conversion import lite_trainer, tflite_file

CONFIG: dict[str, Any] = {"epochs": 1, "batch_size": 16, "learning_rate": 0.005, "seed": 1}


def images_and_labels(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    labels = np.arange(count) % 10
    images = np.random.default_rng(0).uniform(-0.5, 0.0, (count, IMAGE_SIZE)).astype(np.float32)
    images[np.arange(count), 300 + 10 * labels] = 0.5
    return images, labels


def serialized(images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> list[bytes]:
    def example(image: npt.NDArray[np.float32], label: int) -> bytes:
        floats = tf.train.Feature(float_list=tf.train.FloatList(value=image))
        number = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
        features = tf.train.Features(feature={IMAGE_KEY: floats, LABEL_KEY: number})
        return bytes(tf.train.Example(features=features).SerializeToString())

    return [example(image, int(label)) for image, label in zip(images, labels, strict=True)]


def write_examples(file: Path, examples: list[bytes]) -> list[str]:
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for example in examples:
            writer.write(example)
    return [str(file)]


@pytest.fixture(scope="module")
def transform_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transform")
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(
            {
                IMAGE_KEY: tf.io.FixedLenFeature([IMAGE_SIZE], tf.float32),
                LABEL_KEY: tf.io.FixedLenFeature([1], tf.int64),
            }
        )
    )
    images, labels = images_and_labels(4)
    rows = [{IMAGE_KEY: image, LABEL_KEY: [label]} for image, label in zip(images, labels, strict=True)]
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        _, transform_fn = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocessing_fn)
        transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    # TFX's Transform adds the raw schema, of which the serving signature is made.
    metadata_io.write_metadata(metadata, str(folder / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR))
    return folder / "graph"


@pytest.fixture(scope="module")
def make_fn_args(transform_graph: Path) -> Callable[..., tfx.components.FnArgs]:
    def dataset(files: list[str], options: Any, schema: Any) -> tf.data.Dataset:
        payload = example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE
        return tfxio_utils.make_tfxio(files, ["test"], payload, schema=schema).TensorFlowDataset(options)

    def make(folder: Path, examples: list[bytes] | None = None, **config: Any) -> tfx.components.FnArgs:
        folder.mkdir(exist_ok=True)
        return tfx.components.FnArgs(
            train_files=write_examples(
                folder / "train.gz", serialized(*images_and_labels(64)) if examples is None else examples
            ),
            eval_files=write_examples(folder / "eval.gz", serialized(*images_and_labels(20))),
            transform_graph_path=str(transform_graph),
            data_accessor=tfx.components.DataAccessor(dataset, None, None),
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "logs"),
            custom_config=CONFIG | config,
        )

    return make


@pytest.fixture(scope="module")
def trained(make_fn_args: Callable[..., tfx.components.FnArgs], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with open(folder / "stdout", "w") as log, contextlib.redirect_stdout(log):
        trainer.run_fn(make_fn_args(folder, epochs=2))
    return folder


def predict(model: Path, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    [probabilities] = tf.saved_model.load(str(model)).signatures["lite"](image_floats=tf.constant(images)).values()
    return np.asarray(probabilities)


def test_same_data_and_seed_give_the_same_weights_and_another_seed_others(
    trained: Path, make_fn_args: Callable[..., tfx.components.FnArgs], tmp_path: Path
) -> None:
    images, _ = images_and_labels(20)
    for folder, seed in (("again", 1), ("other", 2)):
        trainer.run_fn(make_fn_args(tmp_path / folder, epochs=2, seed=seed))
    first, again, other = (
        predict(path / "model", images) for path in (trained, tmp_path / "again", tmp_path / "other")
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_both_signatures_agree_on_raw_examples(trained: Path) -> None:
    images, labels = images_and_labels(20)
    signatures = tf.saved_model.load(str(trained / "model")).signatures
    [from_examples] = signatures["serving_default"](tf.constant(serialized(images, labels))).values()
    assert from_examples.shape == (20, 10)
    np.testing.assert_allclose(from_examples, predict(trained / "model", images), atol=1e-6)


def test_lite_signature_converts(trained: Path, tmp_path: Path) -> None:
    images, _ = images_and_labels(20)
    loaded = tf.saved_model.load(str(trained / "model"))
    file = lite_trainer.convert(loaded, loaded.signatures["lite"], str(tmp_path))
    expected = {"probabilities": predict(trained / "model", images)}
    tflite_file.check(file, LITE_CONTRACT, {IMAGE_KEY: images}, expected)


@pytest.fixture
def tensorboard(trained: Path, tmp_path: Path) -> Iterator[str]:
    """Yield the address of `make tensorboard` on a free port, over a root with the curves of one Trainer."""
    runs = tmp_path / "mnist" / "artifacts" / "Trainer.mnist" / "model_run"
    shutil.copytree(trained / "logs", runs / "7")
    (tmp_path / "mnist" / "artifacts" / "Trainer.mnist_lite" / "model_run" / "8").mkdir(parents=True)
    command = [sys.executable, "-m", "nightlite.deployment.in_tfx.training_curves", "--model=mnist", "--port=0"]
    env = {**os.environ, "NIGHTLITE_VAR_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout
    said = ""
    try:
        while not (served := re.search(r"at (http://127\.0\.0\.1:\d+)/", said)):
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        yield served[1]
    finally:
        process.kill()
        process.wait()


def test_tensorboard_itself_shows_the_curves(tensorboard: str) -> None:
    deadline = time.monotonic() + 120
    while not (tags := httpx.get(f"{tensorboard}/data/plugin/scalars/tags", timeout=60).json()):
        assert time.monotonic() < deadline, "it has read no run"
        time.sleep(0.2)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(tags["7"])
    query = {"run": "7", "tag": "val_accuracy"}
    points = httpx.get(f"{tensorboard}/data/plugin/scalars/scalars", params=query, timeout=60).json()
    assert [step for _, step, _ in points] == [0, 1]
    assert all(0 <= value <= 1 for *_, value in points)


def test_progress_is_one_line_per_epoch_and_logs_are_tensorboards(trained: Path) -> None:
    lines = [line for line in (trained / "stdout").read_text().splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    [events] = (trained / "logs").glob("events.out.tfevents.*")
    tags = {value.tag for event in tf.compat.v1.train.summary_iterator(str(events)) for value in event.summary.value}
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= tags


@pytest.mark.parametrize(
    ("config", "said"),
    [({"epochs": 0}, "epochs"), ({"learning_rate": "fast"}, "'fast'"), ({"momentum": 1}, "momentum")],
)
def test_wrong_config_names_the_value(
    make_fn_args: Callable[..., tfx.components.FnArgs], tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        trainer.run_fn(make_fn_args(tmp_path, **config))


def test_diverged_training_names_epoch_and_learning_rate(
    make_fn_args: Callable[..., tfx.components.FnArgs], tmp_path: Path
) -> None:
    images, labels = images_and_labels(64)
    images[0, 0] = np.nan
    with pytest.raises(NightliteError, match=r"nan in epoch 1 of 1, with learning_rate 0\.005"):
        trainer.run_fn(make_fn_args(tmp_path, serialized(images, labels)))
    assert not (tmp_path / "model").exists()


def test_an_empty_split_is_refused(make_fn_args: Callable[..., tfx.components.FnArgs], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one example"):
        trainer.run_fn(make_fn_args(tmp_path, []))
