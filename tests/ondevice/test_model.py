"""The declaration of a model: its contract, its card, and what it cannot declare."""

import pytest
from pydantic import ValidationError

from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.model import Feature, ModelCard, OnDeviceModel, Picture
from nightlite.ondevice.task import Classification, Regression, Task
from tests.ondevice.cards import CARD


def feature(name: str, *shape: int) -> Feature:
    return Feature(
        tensor=TensorContract(name=name, dtype="float32", shape=(-1, *shape)), meaning=Meaning(description="a number")
    )


def model(*features: Feature, **declared: object) -> OnDeviceModel:
    return OnDeviceModel.model_validate(
        {
            **dict(CARD),
            "name": "flowers",
            "features": features,
            "output": TensorContract(name="p", dtype="float32", shape=(-1, 3)),
            "label_key": "kind",
            "training_parameters": "a:B",
            "preprocessing_fn": "a.b",
            "run_fn": "a.c",
            "ingest": "a:b",
            **declared,
        }
    )


def test_the_contract_has_an_input_for_each_feature() -> None:
    found = model(feature("width", 1), feature("colour", 3)).contract
    assert str(found) == "width float32[-1, 1], colour float32[-1, 3] to p float32[-1, 3]"
    with pytest.raises(ValidationError, match="at least 1 item"):
        model()


def test_a_name_that_ends_as_the_nodes_of_a_file_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected a name that does not end in _lite, .* Received: red_lite"):
        model(feature("width", 1), name="red_lite")


def test_the_card_is_what_reports_read() -> None:
    found = model(feature("width", 1), show=Picture(width=1, height=1, black=0, white=1)).card
    assert type(found) is ModelCard and found == CARD.model_copy(update={"show": found.show})
    assert ModelCard.model_validate_json(found.model_dump_json()) == found


def test_a_script_for_drawings_is_a_file_of_a_package_and_makes_the_picture() -> None:
    show = Picture(width=1, height=1, black=0, white=1)
    assert model(feature("width", 1), show=show, drawing="a.b:c.js").drawing == "a.b:c.js"
    with pytest.raises(ValidationError, match="drawing: expected `show`, .* Received: 'a.b:c.js' alone"):
        model(feature("width", 1), drawing="a.b:c.js")
    with pytest.raises(ValidationError, match="drawing"):
        model(feature("width", 1), show=show, drawing="a/b.js")


@pytest.mark.parametrize("sizes", [(5,), (4, 4)])
def test_one_feature_is_the_picture(sizes: tuple[int, ...]) -> None:
    features = [feature(f"f{number}", size) for number, size in enumerate(sizes)]
    with pytest.raises(ValidationError, match="show: expected one feature of 4 values. Received: "):
        model(*features, show=Picture(width=2, height=2, black=0, white=1))


def test_a_picture_may_have_its_rows_as_a_dimension_and_other_features_beside_it() -> None:
    show = Picture(width=2, height=2, black=0, white=1)
    assert model(feature("age", 1), feature("picture", 2, 2), show=show).card.show == show


@pytest.mark.parametrize(
    ("task", "size", "fits"),
    [
        (Classification(labels=("no", "yes")), 1, True),
        (Classification(labels=("no", "yes")), 2, True),
        (Classification(labels=("a", "b", "c")), 1, False),
        (Classification(labels=("a", "b", "c")), 2, False),
        (Regression(unit="mg/dl"), 1, True),
        (Regression(), 2, False),
    ],
)
def test_the_output_has_the_tasks_numbers(task: Task, size: int, fits: bool) -> None:
    output = TensorContract(name="y", dtype="float32", shape=(1, size))
    if fits:
        assert model(feature("width", 1), task=task, output=output).card.labels == task.labels
    else:
        with pytest.raises(ValidationError, match="output: expected .* for an example, as the task says. Received: y "):
            model(feature("width", 1), task=task, output=output)


def test_a_task_is_read_back_by_its_kind() -> None:
    card = CARD.model_copy(update={"task": Regression(unit="cm")})
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert card.labels == () and card.task.unit == "cm" and CARD.task.unit == ""
