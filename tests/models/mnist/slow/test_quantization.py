"""The real network's file in every mode: smaller, of the same contract, and as good."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.compiled_model import CompiledModel

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LITE_CONTRACT
from nightlite.errors import ModelFileError
from nightlite.ondevice.in_tfx.conversion import tflite_file
from nightlite.ondevice.in_tfx.conversion.quantization import quantize
from tests.models.mnist.made_digits import Examples

# The largest share of the float file's size.
SIZES = {"dynamic": 0.3, "float16": 0.55, "int8": 0.3}
Images = npt.NDArray[np.float32]


def check(file: Path, images: Images, expected: Images, mode: str) -> tflite_file.FileReport:
    outputs = {"probabilities": expected}
    return tflite_file.check(file, LITE_CONTRACT, {IMAGE_KEY: images}, outputs, mode)  # type: ignore[arg-type]


def answers(file: Path, images: Images) -> Images:
    return tflite_file.run(tflite_file.load(file), {IMAGE_KEY: images}, 100)


@pytest.fixture
def quantized(float_file: bytes, data: tuple[Examples, Examples], tmp_path: Path) -> Callable[[str], Path]:
    def make(mode: str) -> Path:
        file = tmp_path / mode
        file.write_bytes(float_file)
        quantize(file, mode, {IMAGE_KEY: data[0].images[:256]})  # type: ignore[arg-type]
        return file

    return make


@pytest.mark.parametrize("mode", SIZES)
def test_a_mode_is_smaller_has_the_same_contract_and_is_as_good(
    quantized: Callable[[str], Path],
    float_file: bytes,
    network: keras.Model,
    data: tuple[Examples, Examples],
    mode: str,
) -> None:
    file, evaluation = quantized(mode), data[1]
    expected = np.asarray(network.predict(evaluation.images, verbose=0))
    report = check(file, evaluation.images, expected, mode)
    assert report.size <= SIZES[mode] * len(float_file)
    assert not {"VAR_HANDLE", "READ_VARIABLE"} & set(report.operators)
    produced = answers(file, evaluation.images)
    wanted, found = (np.mean(item.argmax(axis=1) == evaluation.labels) for item in (expected, produced))
    print(f"{mode}: {report.size:,} of {len(float_file):,} bytes, accuracy {found:.4f}, Keras's {wanted:.4f}")
    assert abs(wanted - found) <= 0.003
    assert list(file.parent.iterdir()) == [file]


def test_the_float_file_gives_many_images_the_digit_that_keras_gives_them(
    float_file: bytes, network: keras.Model, data: tuple[Examples, Examples], tmp_path: Path
) -> None:
    file = tmp_path / "tflite"
    file.write_bytes(float_file)
    shares = []
    for split in data:
        expected = np.asarray(network.predict(split.images, verbose=0)).argmax(axis=1)
        shares.append(np.mean(answers(file, split.images).argmax(axis=1) == expected))
    print(f"agreement on {[len(split.images) for split in data]} images of train and eval: {shares}")
    assert min(shares) >= 0.999
    # MNIST's eval split is large enough of itself.
    assert sum(len(split.images) for split in data) >= 1000


def test_int8_computes_in_int8(quantized: Callable[[str], Path]) -> None:
    interpreter = tflite_file.load(quantized("int8"))
    dtypes = {np.dtype(item["dtype"]).name for item in interpreter.get_tensor_details() if len(item["shape"]) == 4}
    assert "int8" in dtypes


@pytest.mark.parametrize(("mode", "accelerated"), [("float16", True), ("int8", True), ("dynamic", False)])
def test_compiled_model_accelerates_all_but_dynamics_depthwise_convolution(
    quantized: Callable[[str], Path], mode: str, accelerated: bool
) -> None:
    with CompiledModel.from_file(str(quantized(mode))) as model:
        assert model.is_fully_accelerated() is accelerated


def test_the_same_images_give_the_same_file(quantized: Callable[[str], Path]) -> None:
    assert quantized("int8").read_bytes() == quantized("int8").read_bytes()


def test_wrong_weights_are_refused_in_every_mode(
    quantized: Callable[[str], Path], data: tuple[Examples, Examples]
) -> None:
    images = data[1].images[:64]
    wrong = np.roll(np.eye(10, dtype=np.float32)[data[1].labels[:64]], 1, axis=1)
    for mode in SIZES:
        with pytest.raises(ModelFileError, match="of the Keras signature's on 64 examples"):
            check(quantized(mode), images, wrong, mode)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tflite"
    file.write_bytes(b"no flatbuffer")
    with pytest.raises(ModelFileError, match="cannot be quantized to int8"):
        quantize(file, "int8", {IMAGE_KEY: np.zeros((4, IMAGE_SIZE), np.float32)})
    assert file.read_bytes() == b"no flatbuffer"
