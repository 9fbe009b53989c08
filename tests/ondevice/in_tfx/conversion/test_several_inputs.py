"""A file of several inputs: converted, checked, quantized and measured, each input by its name."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tfx.components.trainer.fn_args_utils import FnArgs

from nightlite import litert
from nightlite.errors import DataError, ModelFileError
from nightlite.ondevice.contract.file_contract import FileContract, TensorContract
from nightlite.ondevice.in_tfx.answers.spool import SpooledInputs
from nightlite.ondevice.in_tfx.conversion import lite_trainer, tflite_file
from nightlite.ondevice.in_tfx.edge_validator.processes import measure_in_child
from nightlite.ondevice.in_tfx.raw_examples import read_inputs
from tests.ondevice.in_tfx.several_inputs import CONTRACT, inputs, save_examples, save_model
from tests.ondevice.in_tfx.whole_split import read_labelled

INPUTS = inputs(300)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the first Trainer's SavedModel and raw examples of both splits."""
    folder = tmp_path_factory.mktemp("trained")
    save_model(folder / "base")
    for split in ("train", "eval"):
        save_examples(folder / f"{split}-00000-of-00001.gz", INPUTS)
    return folder


def convert(trained: Path, folder: Path, **told: str) -> Path:
    """Run the Trainer's run_fn as TFX does. Return its file."""
    lite_trainer.run_fn(
        FnArgs(
            working_dir=str(folder),
            train_files=[str(trained / "train-*")],
            eval_files=[str(trained / "eval-*")],
            train_steps=1,
            eval_steps=1,
            schema_path="",
            schema_file="",
            transform_graph_path="",
            transform_output="",
            data_accessor=None,
            serving_model_dir=str(folder),
            eval_model_dir="",
            model_run_dir="",
            base_model=str(trained / "base"),
            hyperparameters=None,
            custom_config={"contract": CONTRACT.model_dump_json(), **told},
        )
    )
    return folder / "tflite"


def expected(trained: Path) -> np.ndarray:
    lite = tf.saved_model.load(str(trained / "base")).signatures["lite"]
    return lite(**{name: tf.constant(values) for name, values in INPUTS.items()})["p"].numpy()


@pytest.mark.parametrize(("mode", "tolerance"), [("none", 1e-5), ("float16", 0.01), ("dynamic", 0.1), ("int8", 0.1)])
def test_each_mode_takes_its_inputs_by_name(trained: Path, tmp_path: Path, mode: str, tolerance: float) -> None:
    file = convert(trained, tmp_path, quantization=mode)
    found = tflite_file.run(tflite_file.load(file), dict(reversed(INPUTS.items())), 100)
    assert np.abs(found - expected(trained)).mean() <= tolerance / 4
    np.testing.assert_allclose(found, expected(trained), atol=tolerance)
    measured, [outputs] = measure_in_child([file], SpooledInputs.write(tmp_path / "inputs", [INPUTS]), threads=1)
    np.testing.assert_array_equal(np.concatenate(list(outputs)).argmax(1), found.argmax(1))
    assert measured[0].contract.same_form(CONTRACT)
    assert [tensor.name for tensor in measured[0].contract.inputs] != [tensor.name for tensor in CONTRACT.inputs]


def test_the_same_examples_give_the_same_file(trained: Path, tmp_path: Path) -> None:
    files = [convert(trained, tmp_path / name, quantization="int8") for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_inputs_of_other_names_are_refused_before_anything_is_set(trained: Path, tmp_path: Path) -> None:
    interpreter = Interpreter(model_path=str(convert(trained, tmp_path)))
    renamed = {"height" if name == "width" else name: values for name, values in INPUTS.items()}
    with pytest.raises(ValueError, match="expected inputs named age, marks, width. Received: age, height, marks"):
        list(litert.outputs(interpreter, renamed, 1))


def test_a_file_that_lacks_an_input_of_the_contract_is_refused(trained: Path, tmp_path: Path) -> None:
    file = convert(trained, tmp_path)
    more = CONTRACT.model_copy(
        update={"inputs": (*CONTRACT.inputs, TensorContract(name="height", dtype="float32", shape=(1, 1)))}
    )
    with pytest.raises(ModelFileError, match=r"height float32.* Received: age float32\[1, 1\], marks"):
        tflite_file.check(file, more, INPUTS, {"p": expected(trained)})


def test_a_base_model_without_the_signature_is_named(trained: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "base", signature="predict")
    with pytest.raises(ModelFileError, match="expected a signature 'lite' .* Received: predict"):
        convert(tmp_path, tmp_path / "made")


def test_raw_examples_are_read_whole_and_an_empty_split_is_refused(trained: Path, tmp_path: Path) -> None:
    [file] = map(str, trained.glob("eval-*"))
    found, labels = read_labelled([file], CONTRACT, "label")
    for name, values in INPUTS.items():
        np.testing.assert_array_equal(found[name], values)
    assert labels[:5].tolist() == [0, 1, 2, 3, 0]
    assert {len(values) for values in read_inputs([file], CONTRACT, most=7).values()} == {7}
    with pytest.raises(DataError, match="at least one example"):
        read_inputs([], CONTRACT)


def test_the_order_of_a_contracts_inputs_is_free() -> None:
    assert CONTRACT.same_form(FileContract(inputs=CONTRACT.inputs[::-1], output=CONTRACT.output))
    renamed = CONTRACT.output.model_copy(update={"name": "output_0"})
    assert not CONTRACT.same_form(FileContract(inputs=CONTRACT.inputs, output=renamed))
    assert not CONTRACT.same_form(FileContract(inputs=CONTRACT.inputs[:2], output=CONTRACT.output))
    assert str(CONTRACT) == "width float32[1, 1], age float32[1, 1], marks float32[1, 3] to p float32[1, 4]"
