"""Answers of each task, from a file's outputs."""

import numpy as np
import pytest

from nightlite.ondevice.in_tfx.predict.answers import answers

THREE = ("setosa", "versicolor", "virginica")


def test_the_likeliest_label_is_the_answer_and_rows_are_counted() -> None:
    outputs = np.array([[0.25, 0.5, 0.25], [1, 0, 0]], np.float32)
    first, second = answers(outputs, THREE, "", release=4, first_row=2)
    assert first.as_json() == {
        "row": 2,
        "label": "versicolor",
        "probabilities": {"setosa": 0.25, "versicolor": 0.5, "virginica": 0.25},
        "release": 4,
    }
    assert (second.row, str(second)) == (3, "setosa")


def test_one_output_of_two_labels_is_the_second_ones_probability() -> None:
    [answer] = answers(np.array([[0.75]], np.float32), ("no", "yes"), "", release=1, first_row=1)
    assert (answer.label, answer.probabilities) == ("yes", {"no": 0.25, "yes": 0.75})


def test_a_regressions_answer_is_a_number_with_its_unit() -> None:
    [answer] = answers(np.array([[1.5]], np.float32), (), "mg/dl", release=2, first_row=1)
    assert answer.as_json() == {"row": 1, "value": 1.5, "unit": "mg/dl", "release": 2}
    assert str(answer) == "1.5 mg/dl"


def test_an_output_of_another_size_is_an_error() -> None:
    with pytest.raises(ValueError):
        list(answers(np.zeros((1, 4), np.float32), THREE, "", release=1, first_row=1))
