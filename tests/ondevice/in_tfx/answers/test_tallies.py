"""Tallies of answers batch by batch: equal to what NumPy computes of whole arrays, in memory that does not grow."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nightlite.ondevice.in_tfx.answers import mcnemar
from nightlite.ondevice.in_tfx.answers.tally import MOST_SHOWN, Largest, Tally
from nightlite.ondevice.in_tfx.answers.task_measures import measures_of
from nightlite.ondevice.task import Classification, Regression

COUNT = 1000
CLASSES = measures_of(Classification(labels=("a", "b", "c", "d", "e")))
NUMBERS = measures_of(Regression(unit="cm"))
MODELS = ("keras", "tflite", "released", "anchor")
SIZES = [1, 7, 256, COUNT]


def class_answers(count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return labels of four of five classes and probabilities, of which each model has its own, with equal ones."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 4, count)
    sure = np.eye(5)[labels] * 3

    def softmax(noise: float) -> np.ndarray:
        logits = np.exp(sure + random.normal(size=(count, 5), scale=noise).round(1))
        return (logits / logits.sum(1, keepdims=True)).astype(np.float32)

    return labels, {key: softmax(noise) for key, noise in zip(MODELS, (1.5, 1.8, 2.5, 2), strict=True)}


def number_answers(count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    random = np.random.default_rng(6)
    labels = random.uniform(50, 300, count).astype(np.float32)
    noises = zip(MODELS, (10, 11, 15, 12), strict=True)
    return labels, {
        key: (labels + random.normal(size=count, scale=noise).round(1)).astype(np.float32)[:, None]
        for key, noise in noises
    }


def tallied(tally: Tally, labels: np.ndarray, answers: dict[str, np.ndarray], size: int) -> Tally:
    for start in range(0, len(labels), size):
        batch = slice(start, start + size)
        tally.add(labels[batch], {key: found[batch] for key, found in answers.items()})
    return tally


def first_of(chosen: np.ndarray, values: np.ndarray) -> list[int]:
    """Return the indices of the chosen, the largest values first, and of equal ones the first."""
    indices = np.flatnonzero(chosen)
    return list(indices[np.argsort(-values[indices], kind="stable")][:MOST_SHOWN])


def indices_of(found: Largest) -> list[int]:
    return [example.index for example in found.examples]


@pytest.mark.parametrize("size", SIZES)
def test_a_classifications_figures_are_those_of_the_whole_arrays(size: int) -> None:
    labels, answers = class_answers(COUNT)
    tally = tallied(CLASSES.tally(("keras", "tflite")), labels, answers, size)
    chosen = {key: found.argmax(1) for key, found in answers.items()}
    for key, found in answers.items():
        figures = tally.figures(key)
        assert figures.accuracy == np.mean(chosen[key] == labels)
        likely = np.clip(found[np.arange(COUNT), labels].astype(np.float64), 1e-7, 1)
        assert figures.loss == pytest.approx(-np.log(likely).mean(), rel=1e-12)
        assert figures.class_accuracy[:4] == tuple(np.mean(chosen[key][labels == label] == label) for label in range(4))
        assert figures.class_accuracy[4] is None
        assert figures.confusion[2][1] == np.sum((labels == 2) & (chosen[key] == 1))
        assert np.sum(figures.confusion) == COUNT
    assert tally.quality() == {
        "keras_agreement": np.mean(chosen["keras"] == chosen["tflite"]),
        "accuracy": np.mean(chosen["tflite"] == labels),
        "keras_accuracy": np.mean(chosen["keras"] == labels),
    }
    for other in ("released", "anchor"):
        expected = mcnemar.compare(chosen["tflite"] == labels, chosen[other] == labels, "a sum")
        assert tally.compare("tflite", other, "a sum") == expected and expected.won and expected.lost


@pytest.mark.parametrize("size", SIZES)
def test_differences_and_examples_to_look_at_are_those_of_the_whole_arrays(size: int) -> None:
    labels, answers = class_answers(COUNT)
    tally = tallied(CLASSES.tally(("keras", "tflite")), labels, answers, size)
    keras, tflite = answers["keras"], answers["tflite"]
    found = np.abs(keras.astype(np.float64) - tflite)
    agreement = tally.differences.agreement(tally.agreeing)
    assert (agreement.examples, agreement.agreeing) == (COUNT, np.sum(keras.argmax(1) == tflite.argmax(1)))
    assert agreement.largest_difference == found.max() == tally.differences.measured()["max_abs_difference"]
    assert agreement.mean_difference == pytest.approx(found.mean(), rel=1e-12)
    counts, _ = np.histogram(np.log10(np.maximum(found.max(1), 1e-8)), agreement.edges)
    assert agreement.counts == tuple(counts)
    differ = keras.argmax(1) != tflite.argmax(1)
    err = ~differ & (keras.argmax(1) != labels)
    disagree, both_err = tally.mistakes["disagree"], tally.mistakes["both err"]
    assert (disagree.count, both_err.count) == (differ.sum(), err.sum())
    assert min(disagree.count, both_err.count) > MOST_SHOWN
    assert indices_of(disagree) == first_of(differ, np.abs(keras - tflite).max(1))
    assert indices_of(both_err) == first_of(err, keras.max(1))
    first = disagree.examples[0]
    assert first.label == labels[first.index]
    for key, outputs in answers.items():
        np.testing.assert_array_equal(first.answers[key], outputs[first.index])


@pytest.mark.parametrize("size", SIZES)
def test_a_regressions_figures_are_those_of_the_whole_arrays(size: int) -> None:
    labels, answers = number_answers(COUNT)
    tally = tallied(NUMBERS.tally(("keras", "tflite")), labels, answers, size)
    errors = {key: np.abs(found[:, 0].astype(np.float64) - labels) for key, found in answers.items()}
    for key, found in answers.items():
        figures = tally.figures(key)
        assert (figures.mean_error, figures.p95_error) == (errors[key].mean(), np.percentile(errors[key], 95))
        assert figures.bias == (found[:, 0].astype(np.float64) - labels).mean()
        assert sum(figures.error_counts) == COUNT
    assert tally.quality() == {
        "mean_error": errors["tflite"].mean(),
        "p95_error": np.percentile(errors["tflite"], 95),
    }
    against = tally.compare("tflite", "released", "a sum")
    assert (against.won, against.lost) == (
        np.sum(errors["tflite"] < errors["released"]),
        np.sum(errors["tflite"] > errors["released"]),
    )
    assert against.error_change == errors["tflite"].mean() - errors["released"].mean()
    difference = np.abs(answers["keras"].astype(np.float64) - answers["tflite"])
    agreement = tally.differences.agreement(tally.agreeing)
    assert (agreement.agreeing, agreement.largest_difference) == (None, difference.max())
    assert agreement.edges[-1] == 3 and sum(agreement.counts) == COUNT
    everything = np.full(COUNT, True)
    assert indices_of(tally.mistakes["large error"]) == first_of(everything, errors["tflite"])
    apart = np.abs(answers["keras"] - answers["tflite"]).max(1)
    assert indices_of(tally.differing) == first_of(everything, apart)


def test_points_are_all_of_few_examples_and_a_seeded_sample_of_many() -> None:
    labels, answers = number_answers(COUNT)
    few = tallied(NUMBERS.tally(("keras", "tflite")), labels[:200], {key: a[:200] for key, a in answers.items()}, 64)
    assert few.figures("keras").points_drawn_of is None
    assert few.figures("keras").points == tuple(zip(labels[:200], answers["keras"][:200, 0], strict=True))
    many = [tallied(NUMBERS.tally(("keras", "tflite")), labels, answers, size) for size in (64, COUNT)]
    figures = [tally.figures(key) for tally in many for key in ("keras", "tflite")]
    assert {(len(found.points), found.points_drawn_of) for found in figures} == {(200, COUNT)}
    # Of the same examples in each model, however they were added, and from the whole split.
    assert len({tuple(label for label, _ in found.points) for found in figures}) == 1
    assert figures[0].points == figures[2].points
    assert len({label for label, _ in figures[0].points} & set(labels[-500:].tolist())) > 50


def test_what_is_no_number_comes_last_and_spoils_no_count() -> None:
    values = np.array([1, np.nan, 3, 3, 2], np.float32)
    found = Largest(most=3)
    for start in (0, 2):
        batch = values[start : start + 3][: 2 if start == 0 else 3]
        found.add(start, np.full(len(batch), True), batch, np.arange(5)[start : start + len(batch)], {})
    assert (found.count, indices_of(found)) == (5, [2, 3, 4])
    labels, answers = class_answers(20)
    answers["tflite"][3] = np.nan
    tally = tallied(CLASSES.tally(("keras", "tflite")), labels, answers, 6)
    assert set(tally.differences.measured().values()) == {None}
    assert sum(tally.differences.agreement(None).counts) == 19
    assert np.isnan(tally.figures("tflite").loss)


def peak_bytes(made: Callable[[int], tuple[np.ndarray, dict[str, Any]]], tally: Tally, count: int) -> int:
    """Return the peak of what the tally holds, and works with, for so many examples, 256 at a time."""
    batch_labels, batch_answers = made(256)
    tracemalloc.start()
    try:
        for _ in range(count // 256):
            tally.add(batch_labels.copy(), {key: found.copy() for key, found in batch_answers.items()})
        tally.figures("tflite")
        tally.compare("tflite", "released", "a sum")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_classifications_split() -> None:
    few, many = (peak_bytes(class_answers, CLASSES.tally(("keras", "tflite")), count) for count in (8_192, 65_536))
    # One byte an example would be 57 kB.
    assert many - few < 30_000


def test_memory_grows_with_a_regressions_split_by_its_labels_and_answers_alone() -> None:
    few, many = (peak_bytes(number_answers, NUMBERS.tally(("keras", "tflite")), count) for count in (8_192, 65_536))
    # Four bytes for the label and for each answer; eight for each of the few arrays of errors while one is computed.
    assert (many - few) / (65_536 - 8_192) < 4 * (1 + len(MODELS)) + 8 * 10
