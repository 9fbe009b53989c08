"""Measures of answers by the task, on answers made up for each."""

import numpy as np
import pytest

from nightlite.ondevice.in_tfx.answers.tally import Tally
from nightlite.ondevice.in_tfx.answers.task_measures import TaskMeasures, measures_of
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_first
from nightlite.ondevice.task import Classification, Regression

TWO = measures_of(Classification(labels=("no", "yes")))
NUMBER = measures_of(Regression(unit="cm"))


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1)


def tallied(measures: TaskMeasures, labels: np.ndarray, **answers: np.ndarray) -> Tally:
    """Return the tally of these answers, of which the first two models are the pair."""
    first, second, *_ = answers
    tally = measures.tally((first, second))
    tally.add(labels, {key: measures.answers(found) for key, found in answers.items()})
    return tally


def test_one_probability_of_two_classes_is_the_seconds_which_is_the_answer_above_one_half() -> None:
    one, two = column(0.25, 0.5, 0.75), np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]], np.float32)
    np.testing.assert_array_equal(TWO.answers(one), two)
    np.testing.assert_array_equal(TWO.answers(two), two)
    quality = tallied(TWO, np.array([0, 0, 1]), keras=one, tflite=one).quality()
    assert quality == {"keras_agreement": 1, "accuracy": 1, "keras_accuracy": 1}


def test_errors_are_absolute_and_their_95th_percentile_is_of_the_split() -> None:
    labels = np.zeros(101, np.float32)
    outputs = column(*np.arange(101) * np.where(np.arange(101) % 2, -1, 1))
    assert tallied(NUMBER, labels, keras=outputs, tflite=outputs).quality() == {"mean_error": 50.0, "p95_error": 95.0}


def test_a_regression_wins_the_examples_with_the_smaller_error() -> None:
    labels = np.zeros(12, np.float32)
    ours, theirs = column(*[1] * 9, 3, 5, 5), column(*[2] * 9, 1, 5, -5)
    tally = tallied(NUMBER, labels, ours=ours, theirs=theirs)
    found = tally.compare("ours", "theirs", "a")
    assert (found.won, found.lost, found.n, found.sha256) == (9, 1, 12, "a")  # two errors are equal
    assert found.p == pytest.approx(2 * 11 / 2**10) and found.better
    assert found.change == pytest.approx((ours.sum() - np.abs(theirs).sum()) / 12)
    other = tally.compare("theirs", "ours", "b")
    assert (other.won, other.lost, other.worse) == (1, 9, True) and other.change == pytest.approx(-found.change)


def test_a_regressions_golden_examples_span_the_range_of_its_labels_in_whatever_order_they_were_read() -> None:
    random = np.random.default_rng(1)
    labels = random.uniform(0, 300, 200).round(-1).astype(np.float32)
    inputs = {"x": random.normal(size=(200, 1)).astype(np.float32)}
    indices, count = golden_first([inputs], NUMBER.groups(labels), 200)
    golden = labels[indices[:count]]
    assert count == 10 and list(golden) == sorted(golden) and golden[0] <= 45 and golden[-1] >= 255
    mixed = random.permutation(200)
    others, _ = golden_first([{"x": inputs["x"][mixed]}], NUMBER.groups(labels[mixed]), 200)
    assert list(mixed[others]) == list(indices)


def test_a_tolerance_is_a_share_of_the_largest_output_of_a_regression_alone() -> None:
    assert (NUMBER.scale(column(-250, 100)), NUMBER.scale(column(0, 0)), TWO.scale(column(0.2))) == (250, 1, 1)
    assert NUMBER.scale(column(np.nan, np.inf, 3)) == 3
    labels = np.zeros(2, np.float32)
    assert tallied(NUMBER, labels, keras=column(-250, 100), tflite=column(-999, 0)).scale == 250


def test_an_answer_that_is_no_number_has_no_difference() -> None:
    labels = np.zeros(2, np.float32)
    found = tallied(NUMBER, labels, keras=column(1, 4), tflite=column(1, 2)).differences.measured()
    assert found == {"max_abs_difference": 2, "mean_abs_difference": 1}
    found = tallied(NUMBER, labels, keras=column(1, 4), tflite=column(1, np.nan)).differences.measured()
    assert set(found.values()) == {None}
