"""Golden examples in LiteRT: a file agrees with its own, and with no other's."""

import math
from pathlib import Path

import numpy as np
import pytest

from nightlite import litert
from nightlite.ondevice.contract.golden import Golden, GoldenExample, numbers
from nightlite.ondevice.in_tfx.conversion.tflite_file import load
from nightlite.ondevice.in_tfx.golden_check import golden_check
from tests.ondevice.in_tfx.odd_files import odd_file

VALUES = np.random.default_rng(1).uniform(-1, 1, (4, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    (folder / "tflite").write_bytes(odd_file(folder / "saved", size=3, classes=2, batch=1))
    return folder / "tflite"


@pytest.fixture
def golden(file: Path) -> Golden:
    interpreter = load(file)
    examples = [
        GoldenExample(
            label="a",
            inputs={"pixels": numbers(row.tolist())},
            outputs={"p": numbers(litert.answer(interpreter, {"pixels": row[None]})["p"].ravel().tolist())},
        )
        for row in VALUES
    ]
    return Golden(sha256="0" * 64, tolerance=1e-5, examples=tuple(examples))


def changed(golden: Golden, **update: object) -> Golden:
    """Return the golden examples with another last one."""
    last = golden.examples[-1].model_copy(update=update)
    return golden.model_copy(update={"examples": (*golden.examples[:-1], last)})


def test_a_file_agrees_with_what_was_written_of_it(file: Path, golden: Golden) -> None:
    read = Golden.model_validate_json(golden.model_dump_json())
    check = golden_check(file.read_bytes(), read)
    assert check.passed and max(check.differences) == 0
    assert str(check) == "4 of 4 golden examples agree (largest difference 0, tolerance 1e-05)"


def test_other_outputs_and_other_inputs_disagree(file: Path, golden: Golden) -> None:
    for other in (changed(golden, outputs={"p": (0.9, 0.1)}), changed(golden, inputs={"pixels": (9.0, 9.0, -9.0)})):
        check = golden_check(file.read_bytes(), other)
        assert not check.passed and str(check).startswith("3 of 4 golden examples agree (largest difference 0.")


def test_an_answer_that_is_no_number_disagrees(file: Path, golden: Golden) -> None:
    check = golden_check(file.read_bytes(), changed(golden, inputs={"pixels": (None, 0.0, 0.0)}))
    assert not check.passed and math.isnan(check.differences[-1]) and "largest difference nan" in str(check)


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"inputs": {"ink": (0.0, 0.0, 0.0)}}, "expected inputs named pixels. Received: ink"),
        ({"inputs": {"pixels": (0.0, 0.0)}}, "cannot reshape array of size 2"),
        ({"outputs": {"probabilities": (0.5, 0.5)}}, "expected outputs named probabilities. Received: p"),
    ],
)
def test_examples_of_another_contract_are_told(
    file: Path, golden: Golden, update: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        golden_check(file.read_bytes(), changed(golden, **update))
