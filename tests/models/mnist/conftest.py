"""Small IDX files, so that every test of the data works offline; and the real network, trained once on real digits."""

import gzip
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.mnist.data.sources import load_mnist5k
from models.mnist.model import trainer
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LABEL_KEY, transformed_name
from models.mnist.model.training_parameters import TrainingParams
from nightlite.ondevice.in_tfx.conversion import lite_trainer
from nightlite.ondevice.in_tfx.ingest.examples import Dataset
from nightlite.ondevice.in_tfx.training_input import TransformedExamples
from tests.models.mnist.made_digits import Examples, floats, idx_bytes, make_split


@pytest.fixture
def dataset() -> Dataset:
    return Dataset("test", make_split(23, seed=1), make_split(10, seed=2))


@pytest.fixture
def idx_folder(tmp_path: Path, dataset: Dataset) -> Path:
    """Return a folder with the four files of `dataset`, gzip-compressed."""
    folder = tmp_path / "idx"
    folder.mkdir()
    for prefix, split in (("train", dataset.train), ("t10k", dataset.eval)):
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(split.inputs[IMAGE_KEY])))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(split.labels)))
    return folder


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "some-idx-file.gz"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture(scope="session")
def mnist5k() -> Dataset:
    return load_mnist5k()


@pytest.fixture(scope="session")
def data(mnist5k: Dataset) -> tuple[Examples, Examples]:
    train, evaluation = (Examples(floats(split), split.labels.astype(np.int64)) for split in mnist5k.splits.values())
    return train, evaluation


@pytest.fixture(scope="session")
def network(data: tuple[Examples, Examples], tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    splits = [
        TransformedExamples(
            len(examples.labels),
            tf.data.Dataset.from_tensor_slices(
                {transformed_name(IMAGE_KEY): examples.images, transformed_name(LABEL_KEY): examples.labels}
            ).batch(256),
            len(examples.labels),
        )
        for examples in data
    ]
    return trainer.train(*splits, TrainingParams(epochs=4), str(tmp_path_factory.mktemp("logs")))


@pytest.fixture(scope="session")
def float_file(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    spec = tf.TensorSpec([None, IMAGE_SIZE], tf.float32, name=IMAGE_KEY)
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("lite", tf.function(lambda x: {"probabilities": network(x)}, input_signature=[spec]))
    folder = tmp_path_factory.mktemp("model")
    archive.write_out(str(folder / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(folder / "saved"))
    return lite_trainer.convert(loaded, loaded.signatures["lite"], str(folder / "lite")).read_bytes()
