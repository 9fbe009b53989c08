"""Each thing that a model may lack is found, and told in a sentence that says what to mend."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nightlite.errors import DataError, ModelDeclarationError, NightliteError
from nightlite.ondevice.in_tfx.model_check import declaration, sample, training
from nightlite.ondevice.in_tfx.model_check.sample import Sample
from nightlite.ondevice.model import OnDeviceModel, Words
from nightlite.ondevice.task import Regression
from nightlite.runner.in_tfx.beam import memo
from tests.tiny_table.features import FEATURES
from tests.tiny_table.on_device import MODEL

_WRONG = "tests.tiny_table.wrong"


def changed(**fields: Any) -> OnDeviceModel:
    return MODEL.model_copy(update=fields)


def refused(kind: type[NightliteError] = ModelDeclarationError, said: str = "") -> Any:
    return pytest.raises(kind, match=re.escape(said))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("check")


@pytest.fixture(scope="module")
def some(folder: Path) -> Sample:
    return sample.take(MODEL, folder / "none", folder)


@pytest.fixture(scope="module")
def graph(folder: Path, some: Sample) -> Path:
    memo.install()
    training.transform(MODEL, some, folder)
    return folder / "graph"


def test_empty_texts_are_named_all_at_once() -> None:
    model = changed(limits=" ", words=Words(one="flower", many=""))
    with refused(
        said="iris: expected a text in each field of MODEL. Received: none in limits, words.many; write it in"
    ):
        declaration.check_texts(model)


@pytest.mark.parametrize(
    "tensor",
    [{"name": "od280/od315"}, {"name": "sepal length"}, {"name": "2_lengths"}, {"dtype": "int64"}, {"shape": (-1, 1)}],
    ids=str,
)
def test_a_tensor_that_no_file_could_have_is_refused(tensor: dict[str, Any]) -> None:
    first, *others = MODEL.features
    wrong = first.model_copy(update={"tensor": first.tensor.model_copy(update=tensor)})
    with refused(said="iris: expected tensors named by letters, 0-9 and _, of float32[1, …]. Received: "):
        declaration.check_features(changed(features=(wrong, *others)))


def test_texts_of_the_model_that_it_was_copied_from_are_refused() -> None:
    other = changed(name="other", title="Others", data_licence="Another.")
    with refused(said="Received: other's intended_use, limits; write them in models/iris/on_device.py"):
        declaration.check_own_texts(MODEL, [other])


@pytest.mark.parametrize(
    ("field", "name", "said"),
    [
        (
            "run_fn",
            "tests.tiny_table.nowhere.run_fn",
            "ModuleNotFoundError: No module named 'tests.tiny_table.nowhere'",
        ),
        ("run_fn", f"{_WRONG}.none", "AttributeError: module"),
        (
            "ingest",
            f"{_WRONG}:no_argument",
            "expected a function of 2 arguments. Received: no_argument() -> None; mend",
        ),
        ("preprocessing_fn", f"{_WRONG}.no_argument", "expected a function of one argument"),
        ("preprocessing_fn", f"{_WRONG}._export", "Received: _export(fn_args"),
        ("run_fn", "tests.tiny_table.features.LABEL_KEY", "expected a function. Received: str"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused(field: str, name: str, said: str) -> None:
    with refused(said=said):
        declaration.check_functions(changed(**{field: name}))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"training_parameters": f"{_WRONG}:Unbounded"},
            "default of run parameter epochs within its own bounds. Received: 0",
        ),
        ({"training_parameters": f"{_WRONG}:Lists"}, "expected a pydantic model of int, float, str or bool"),
        ({"training_parameters": f"{_WRONG}:no_argument"}, "expected training_parameters to name a pydantic model"),
        ({"gate_bounds": {"min_beauty": 1}}, "expected gate_bounds of a classification's gates. Received: min_beauty"),
        (
            {"gate_bounds": {"min_accuracy": 7}},
            "default of run parameter min_accuracy within its own bounds. Received: 7",
        ),
    ],
    ids=str,
)
def test_run_parameters_that_cannot_be_used_are_refused(fields: dict[str, Any], said: str) -> None:
    with refused(said=said):
        declaration.check_parameters(changed(**fields))


def test_examples_of_other_features_are_refused(folder: Path) -> None:
    first = MODEL.features[0]
    other = first.model_copy(update={"tensor": first.tensor.model_copy(update={"name": "leaf_length"})})
    span = MODEL.model_copy(update={"ingest": "tests.tiny_table.ingest:ingest"})
    place = folder / "other"
    place.mkdir()
    with refused(DataError, "expected examples with leaf_length float32[1, 1]"):
        sample.take(span.model_copy(update={"features": (other, *MODEL.features[1:])}), folder / "none", place)


def test_an_error_of_preprocessing_is_told_with_its_function(folder: Path, some: Sample) -> None:
    with refused(said=f"preprocessing_fn='{_WRONG}.preprocessing_of_another_feature': expected transformed features"):
        training.transform(changed(preprocessing_fn=f"{_WRONG}.preprocessing_of_another_feature"), some, folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "epochs_that_fail",
            "expected a training and its export. Received: ValueError: epochs was 15; preprocessing_fn gives it "
            "petal_length_xf, petal_width_xf, sepal_length_xf, sepal_width_xf, species_xf",
        ),
        (
            "reads_files_as_transformed",
            "expected fn_args.train_files and eval_files to be read as raw examples. Received: the schema of "
            "transformed ones; read them with nightlite.ondevice.in_tfx.training_input.transformed_examples",
        ),
        ("exports_nothing", "expected a SavedModel in fn_args.serving_model_dir. Received: none"),
        ("exports_one_signature", "Received: no lite; write them with"),
        ("exports_another_output", "expected the output probabilities float32[1, 3]. Received: scores float32[-1, 3]"),
        ("exports_no_number", "expected finite outputs. Received: NaN"),
        ("exports_two_answers", "expected the same answers of serving_default and lite. Received: a difference of 1"),
    ],
)
def test_a_training_that_leaves_no_such_model_is_refused(
    name: str, said: str, graph: Path, some: Sample, tmp_path: Path
) -> None:
    (tmp_path / "graph").symlink_to(graph)
    model = changed(run_fn=f"{_WRONG}.{name}")
    with refused(said=said):
        training.check_signatures(model, training.train(model, some.files, tmp_path), some)


class _Prices(tf.Module):
    """A regression whose two signatures differ by `gap`."""

    def __init__(self, gap: float) -> None:
        super().__init__()
        self.gap = gap

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name=name) for name in FEATURES])
    def lite(self, *measures: tf.Tensor) -> dict[str, tf.Tensor]:
        return {MODEL.output.name: 300_000 + 0 * measures[0]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, records: tf.Tensor) -> dict[str, tf.Tensor]:
        return {MODEL.output.name: tf.fill([tf.size(records), 1], 300_000 + self.gap)}


@pytest.mark.parametrize(("gap", "same"), [(1.0, True), (100.0, False)])
def test_the_signatures_of_a_regression_agree_as_closely_as_its_numbers_are_large(
    gap: float, same: bool, tmp_path: Path
) -> None:
    module, saved = _Prices(gap), tmp_path / "saved"
    signatures = {"lite": module.lite.get_concrete_function(), "serving_default": module.serve.get_concrete_function()}
    tf.saved_model.save(module, str(saved), signatures)
    output = MODEL.output.model_copy(update={"shape": (1, 1)})
    model = changed(task=Regression(unit="EUR"), output=output)
    some = Sample("", {"eval": [b"", b""]}, {}, {name: np.ones((2, 1), np.float32) for name in FEATURES})
    if same:
        training.check_signatures(model, saved, some)
        return
    with refused(said="expected the same answers of serving_default and lite. Received: a difference of 100"):
        training.check_signatures(model, saved, some)
