"""TFLite files that leave Trainer.mnist_lite, and those that do not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LITE_CONTRACT
from nightlite.errors import ModelFileError
from nightlite.ondevice.in_tfx.conversion import tflite_file
from nightlite.ondevice.in_tfx.conversion.lite_trainer import rewrite
from tests.ondevice.in_tfx.odd_files import odd_file

IMAGES = np.random.default_rng(0).uniform(-0.5, 0.5, (40, IMAGE_SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input([IMAGE_SIZE], name=IMAGE_KEY), keras.layers.Dense(10, activation="softmax")])


@pytest.fixture(scope="module")
def rewritten(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def export(input_name: str = IMAGE_KEY, signature: str = "serving_default", scale: float = 1.0) -> Path:
        spec = tf.TensorSpec([1, IMAGE_SIZE], tf.float32, name=input_name)
        archive = keras.export.ExportArchive()
        archive.track(network)
        archive.add_endpoint(
            signature, tf.function(lambda x: {"probabilities": network(x) * scale}, input_signature=[spec])
        )
        folder = tmp_path_factory.mktemp("model")
        archive.write_out(str(folder / "saved"), verbose=False)
        rewrite(str(folder / "saved"), str(folder / "lite"))
        return folder / "lite" / "tflite"

    return export


def check(file: Path, expected: dict[str, np.ndarray]) -> tflite_file.FileReport:
    return tflite_file.check(file, LITE_CONTRACT, {IMAGE_KEY: IMAGES}, expected)


def _expected(network: keras.Model) -> dict[str, np.ndarray]:
    return {"probabilities": network(IMAGES).numpy()}


def test_a_good_file_passes_and_reports_what_was_checked(network: keras.Model, rewritten: Callable[..., Path]) -> None:
    file = rewritten()
    report = check(file, _expected(network))
    assert report.size == file.stat().st_size > IMAGE_SIZE * 10 * 4
    assert "FULLY_CONNECTED" in report.operators
    assert report.largest_difference <= tflite_file.TOLERANCE


@pytest.mark.parametrize("kwargs", [{"input_name": "pixels"}, {"signature": "lite"}])
def test_a_file_whose_input_tfma_could_not_find_is_refused(
    rewritten: Callable[..., Path], network: keras.Model, kwargs: dict
) -> None:
    with pytest.raises(ModelFileError, match="expected inputs and output|expected the signature"):
        check(rewritten(**kwargs), _expected(network))


@pytest.mark.parametrize(
    ("odd", "found"),
    [
        ({"dtype": tf.int8}, r"image_floats int8\[1, 784\] to p"),
        ({"size": 783}, r"\[1, 783\]"),
        ({"classes": 11}, r"\[1, 11\]"),
        ({"signatures": ()}, r"signatures \[\]"),
        ({"signatures": ("serving_default", "other")}, r"signatures \['other', 'serving_default'\]"),
    ],
)
def test_a_file_with_another_contract_is_refused_and_what_it_has_is_told(
    tmp_path: Path, odd: dict[str, Any], found: str
) -> None:
    file = tmp_path / "tflite"
    file.write_bytes(odd_file(tmp_path / "odd", **{"size": 784, "classes": 10, "name": IMAGE_KEY, **odd}))
    with pytest.raises(ModelFileError, match=f"expected .*image_floats float32.* Received: .*{found}"):
        check(file, {"p": np.zeros((40, 10), np.float32)})


def test_other_weights_are_refused(rewritten: Callable[..., Path], network: keras.Model) -> None:
    with pytest.raises(ModelFileError, match="within 0.0001 of the Keras signature"):
        check(rewritten(scale=1.01), _expected(network))


def test_a_file_of_resource_variables_is_refused(network: keras.Model, tmp_path: Path) -> None:
    tf.saved_model.save(network, str(tmp_path / "saved"))  # of a Keras 3 model: its weights are not constants
    rewrite(str(tmp_path / "saved"), str(tmp_path / "lite"))
    with pytest.raises(ModelFileError, match="READ_VARIABLE"):
        check(tmp_path / "lite" / "tflite", _expected(network))


def test_custom_operators_are_refused(network: keras.Model, tmp_path: Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec([1, IMAGE_SIZE], tf.float32, name=IMAGE_KEY)])
    def uncommon(x: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.Betainc(a=x, b=x, x=x)[:, :10]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([uncommon.get_concrete_function()])
    converter.allow_custom_ops = True
    file = tmp_path / "tflite"
    file.write_bytes(converter.convert())
    with pytest.raises(ModelFileError, match="Betainc"):
        check(file, _expected(network))


@pytest.mark.parametrize("keep", [0, 10, 3000])
def test_a_truncated_file_is_refused(
    rewritten: Callable[..., Path], network: keras.Model, tmp_path: Path, keep: int
) -> None:
    file = tmp_path / "tflite"
    file.write_bytes(rewritten().read_bytes()[:keep])
    with pytest.raises(ModelFileError, match="tflite"):
        check(file, _expected(network))
