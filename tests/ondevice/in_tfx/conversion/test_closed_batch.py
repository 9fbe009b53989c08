"""A file for every runtime: closed for CompiledModel, open to TFMA's batches in the Interpreter."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.compiled_model import CompiledModel

from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.file_contract import FileContract, TensorContract
from nightlite.ondevice.in_tfx.conversion import lite_trainer, tflite_file
from nightlite.ondevice.in_tfx.conversion.runtime_version import least_runtime_version

WEIGHTS = np.random.default_rng(4).normal(size=(8, 8)).astype(np.float32)
VALUES = np.random.default_rng(5).uniform(-1, 1, (40, 8)).astype(np.float32)
CONTRACT = FileContract(
    inputs=(TensorContract(name="x", dtype="float32", shape=(1, 8)),),
    output=TensorContract(name="p", dtype="float32", shape=(1, 8)),
)
Answer = Callable[[tf.Tensor], tf.Tensor]


def convert(answer: Answer, folder: Path) -> tuple[Path, dict[str, tf.Tensor]]:
    """Return the file of a function of float32 [n, 8], and that function's answers to VALUES."""
    spec = tf.TensorSpec([None, 8], tf.float32, name="x")
    module = tf.Module()
    module.lite = tf.function(lambda x: {"p": answer(x)}, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder / "base"), signatures={"lite": module.lite.get_concrete_function()})
    loaded = tf.saved_model.load(str(folder / "base"))
    lite = loaded.signatures["lite"]
    return lite_trainer.convert(loaded, lite, str(folder / "made")), lite(x=tf.constant(VALUES))


def two_shapes(x: tf.Tensor) -> tf.Tensor:
    """Return x by way of two reshapes, one of them to the input's own shape."""
    square = tf.reshape(x, [-1, 2, 4])
    return tf.reshape(tf.nn.relu(tf.transpose(square, [0, 2, 1])), [-1, 8]) + tf.reshape(x, [-1, 8])


def merged(x: tf.Tensor) -> tf.Tensor:
    """Return x multiplied row by row, with a batch of 2 n between: the first size is no batch of one there."""
    return tf.reshape(tf.matmul(tf.reshape(x, [-1, 4]), WEIGHTS[:4, :4]), [-1, 8])


@pytest.mark.parametrize("answer", [two_shapes, merged, tf.nn.softmax])
def test_batches_give_what_singles_give_and_the_contract_is_closed(answer: Answer, tmp_path: Path) -> None:
    file, expected = convert(answer, tmp_path)
    tflite_file.check(file, CONTRACT, {"x": VALUES}, expected)
    singles, batches = (tflite_file.run(tflite_file.load(file), {"x": VALUES}, size) for size in (1, 13))
    np.testing.assert_array_equal(singles, batches)


@pytest.mark.parametrize("answer", [two_shapes, merged])
def test_compiled_model_takes_it_fully_accelerated(answer: Answer, tmp_path: Path) -> None:
    file, expected = convert(answer, tmp_path)
    with CompiledModel.from_file(str(file)) as model:
        taken, given = model.create_input_buffers(0), model.create_output_buffers(0)
        taken[0].write(VALUES[3])
        model.run_by_index(0, taken, given)
        assert model.is_fully_accelerated()
        np.testing.assert_allclose(given[0].read(8, np.float32), expected["p"][3], atol=1e-6)


def test_a_file_that_only_answers_one_example_is_refused_with_what_to_do(tmp_path: Path) -> None:
    def counted(x: tf.Tensor) -> tf.Tensor:
        return tf.concat([x, tf.zeros([tf.shape(x)[0], 8])], axis=1)[:, :8]

    file, expected = convert(counted, tmp_path)
    with pytest.raises(ModelFileError, match=r"answers to 32 examples at a time.*write shapes with -1"):
        tflite_file.check(file, CONTRACT, {"x": VALUES}, expected)


@pytest.mark.parametrize(("mode", "version"), [("none", "1.5.0"), ("float16", "1.15.0"), ("int8", "1.14.0")])
def test_the_least_runtime_version_is_that_of_the_types(mode: str, version: str, tmp_path: Path) -> None:
    from nightlite.ondevice.in_tfx.conversion.quantization import quantize

    file, _ = convert(lambda x: tf.matmul(x, WEIGHTS), tmp_path)
    if mode != "none":
        quantize(file, mode, {"x": VALUES})  # type: ignore[arg-type]
    assert least_runtime_version(file.read_bytes()) == version
