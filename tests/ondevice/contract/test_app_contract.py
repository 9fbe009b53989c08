"""What counts as a change for an app, and what does not."""

from typing import Any

import pytest

from nightlite.ondevice.contract.app_contract import AppContract, Input, Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.task import Classification, Regression

CENTIMETRES = Meaning(description="length of the petal", unit="cm")
LENGTH = Input(name="length", dtype="float32", shape=(1, 1), meaning=CENTIMETRES)
OUTPUT = TensorContract(name="probabilities", dtype="float32", shape=(1, 2))
SERVED = AppContract(inputs=(LENGTH,), output=OUTPUT, labels=("no", "yes"))


def changed(meaning: dict[str, Any] | None = None, **update: Any) -> AppContract:
    length = LENGTH.model_copy(update={"meaning": CENTIMETRES.model_copy(update=meaning or {})})
    return AppContract(**{"inputs": (length,), "output": OUTPUT, "labels": ("no", "yes"), **update})


@pytest.mark.parametrize(
    "same",
    [
        changed(),
        changed({"description": "the petal's length"}),
        changed(inputs=(LENGTH.model_copy(update={"shape": (-1, 1)}),)),
        changed(inputs=(LENGTH.model_copy(update={"meaning": None}),)),
    ],
    ids=["all", "other words", "open batch", "an older manifest"],
)
def test_equal(same: AppContract) -> None:
    assert not same.changes(SERVED) and not SERVED.changes(same)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (changed({"scale": 10.0}), "input length: scale 10.0 instead of 1.0"),
        (changed({"unit": "mm"}), 'input length: unit "mm" instead of "cm"'),
        (changed({"vocabulary": ("short", "long")}), "input length: vocabulary [short, long] instead of []"),
        (changed(inputs=(LENGTH.model_copy(update={"shape": (1, 2)}),)), "input length: shape [2] instead of [1]"),
        (changed(output=OUTPUT.model_copy(update={"name": "p"})), 'output: name "p" instead of "probabilities"'),
        (changed(labels=("yes", "no")), "output: labels [yes, no] instead of [no, yes]"),
        (changed(unit="cm"), 'output: unit "cm" instead of ""'),
    ],
)
def test_changes(now: AppContract, told: str) -> None:
    assert now.changes(SERVED) == (told,)


def test_other_inputs() -> None:
    width = LENGTH.model_copy(update={"name": "width"})
    assert changed(inputs=(width,)).changes(SERVED) == ("input length is gone", "input width is new")


def test_file_part() -> None:
    assert str(SERVED.file) == "length float32[1, 1] to probabilities float32[1, 2]"
    assert type(SERVED.file.inputs[0]) is TensorContract


def test_the_task_is_what_labels_and_unit_say() -> None:
    assert SERVED.task == Classification(labels=("no", "yes"))
    assert changed(labels=(), unit="cm").task == Regression(unit="cm")
