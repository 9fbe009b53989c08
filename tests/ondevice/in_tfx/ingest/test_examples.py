"""Examples: splits that do not depend on chance, and refusals of what is not the model's."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest import examples
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.stored_rows import stored
from tests.tiny_table.features import FEATURES, LABELS
from tests.tiny_table.on_device import MODEL


def split(count: int, **inputs: np.ndarray) -> Split:
    random = np.random.default_rng(1)
    made = {name: random.normal(size=(count, 1)).astype(np.float32) for name in FEATURES}
    return Split({**made, **inputs}, np.arange(count) % 3)


def test_a_split_is_stratified_and_always_the_same() -> None:
    first, second = (split_at_random("test", split(50), LABELS) for _ in range(2))
    assert (len(first.train), len(first.eval)) == (40, 10)
    assert (first.train.per_class(3), first.eval.per_class(3)) == ((14, 13, 13), (3, 4, 3))
    assert [part.sha256() for part in first.splits.values()] == [part.sha256() for part in second.splits.values()]


def test_each_example_is_in_one_of_the_splits() -> None:
    whole = split(50)
    parts = split_at_random("test", whole, LABELS, eval_share=0.3).splits.values()
    for name in FEATURES:
        assert sorted(value for part in parts for value in part.inputs[name][:, 0]) == sorted(whole.inputs[name][:, 0])


def test_two_examples_a_class_are_enough() -> None:
    dataset = split_at_random("test", split(6), LABELS)
    assert dataset.train.per_class(3) == dataset.eval.per_class(3) == (1, 1, 1)


def test_one_example_of_a_class_cannot_be_split() -> None:
    with pytest.raises(DataError, match=r"^test: expected two or more examples of each class.* one of 'virginica';"):
        split_at_random("test", split(5), LABELS)


def test_the_order_of_content_is_a_function_of_content() -> None:
    whole = split(20)
    mixed = whole.take(np.random.default_rng(2).permutation(20))
    assert mixed.sha256() != whole.sha256()
    assert mixed.by_content().sha256() == whole.by_content().sha256()
    assert sorted(mixed.by_content().inputs["sepal_width"]) == sorted(whole.inputs["sepal_width"])


def test_the_order_of_content_is_that_of_each_examples_hash() -> None:
    """Spans that were written before are compared by their order, too. Equal examples stay in theirs."""
    whole = split(20)
    rows = zip(*whole.inputs.values(), whole.labels, strict=True)
    hashes = [hashlib.sha256(b"".join(value.tobytes() for value in row)).digest() for row in rows]
    expected = whole.take(np.array(sorted(range(20), key=hashes.__getitem__)))
    assert whole.by_content().sha256() == expected.sha256()


def test_examples_on_the_disk_are_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = split(50)
    kept = Split(stored([whole.part(slice(0, 30)), whole.part(slice(30, 50))], tmp_path), whole.labels)
    for rows in (1, 7, 1024):
        monkeypatch.setattr(examples, "_SLICE_ROWS", rows)
        assert kept.sha256() == whole.sha256()
        for of_memory, of_disk in zip(*(_parts(item.by_content()) for item in (whole, kept)), strict=True):
            assert of_memory.sha256() == of_disk.sha256()
            assert of_memory.labels.tolist() == of_disk.labels.tolist()
            for name, raw in of_memory.inputs.items():
                np.testing.assert_array_equal(of_disk.inputs[name], raw)


def _parts(whole: Split) -> list[Split]:
    return list(split_at_random("test", whole, LABELS).splits.values())


def test_taking_from_what_was_taken() -> None:
    whole = split(20)
    some = whole.take(np.array([3, 1, 4, 15, 9])).take(slice(1, 4)).take(np.array([2, 0]))
    assert some.labels.tolist() == whole.labels[[15, 1]].tolist()
    for name, raw in whole.inputs.items():
        np.testing.assert_array_equal(some.inputs[name], raw[[15, 1]])


def test_a_slice_of_large_rows_has_fewer_of_them() -> None:
    large = Split({"x": np.zeros((10, 3 << 20), np.uint8)}, np.zeros(10, np.int64))
    assert list(large.slices()) == [slice(index, index + 1) for index in range(10)]
    assert list(split(2000).slices(slice(500, 1600))) == [slice(500, 1524), slice(1524, 1600)]


def test_a_hash_does_not_depend_on_the_labels_type() -> None:
    whole = split(20)
    assert Split(whole.inputs, whole.labels.astype(np.uint8)).sha256() == whole.sha256()
    assert Split(whole.inputs, whole.labels[::-1]).sha256() != whole.sha256()


BAD = {
    "of another name": (
        lambda: Split({name: np.zeros((3, 1), np.float32) for name in "abcd"}, np.arange(3)),
        "expected the inputs sepal_length, sepal_width, petal_length, petal_width. Received: a, b, c, d",
    ),
    "of another shape": (
        lambda: split(3, petal_width=np.zeros((3, 2), np.float32)),
        r"petal_width: expected values of shape \(1,\)\. Received: \(2,\)",
    ),
    "infinite": (
        lambda: split(3, petal_width=np.full((3, 1), np.inf, np.float32)),
        "petal_width: expected finite values. Received: an infinite one",
    ),
    "of another class": (lambda: Split(split(3).inputs, np.array([0, 1, 3])), "labels from 0 to 2. Received: 0 to 3"),
    "of no class": (lambda: Split(split(3).inputs, np.array([0, -1, 2])), "labels from 0 to 2. Received: -1 to 2"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_what_is_not_the_models_is_refused(make, message: str) -> None:
    with pytest.raises(DataError, match=rf"^test, eval: .*{message}"):
        Dataset("test", split(3), make()).check(MODEL)


def test_a_missing_value_is_no_error() -> None:
    Dataset("test", split(3), split(3, petal_width=np.full((3, 1), np.nan, np.float32))).check(MODEL)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [(0, 0, "one or more examples. Received: none"), (3, 2, "x: expected 2 examples, one a label. Received: 3")],
)
def test_inputs_and_labels_belong_together(rows: int, labels: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Split({"x": np.zeros((rows, 1), np.float32)}, np.zeros(labels, np.int64))
