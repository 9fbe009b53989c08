"""Golden examples: the same of the same data, one of each class at least."""

import numpy as np
import pytest

from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_first, golden_of


def split(count: int, classes: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(4)
    inputs = {"b": random.uniform(size=(count, 2)).astype(np.float32), "a": np.zeros((count, 1), np.float32)}
    return inputs, random.permutation(np.arange(count) % classes).astype(np.int64)


@pytest.mark.parametrize(("count", "classes", "golden"), [(200, 3, 10), (200, 10, 10), (200, 17, 17), (4, 2, 4)])
def test_every_class_is_there_and_ten_examples_if_there_are(count: int, classes: int, golden: int) -> None:
    inputs, labels = split(count, classes)
    indices, found = golden_first([inputs], labels, len(labels))
    assert found == golden and sorted(indices) == list(range(count))
    assert set(labels[indices[:found]]) == set(range(classes))
    assert list(labels[indices[:classes]]) == list(range(classes))


def test_the_order_in_which_the_data_were_read_decides_nothing() -> None:
    inputs, labels = split(100, 5)
    mixed = np.random.default_rng(5).permutation(100)
    indices, _ = golden_first([inputs], labels, len(labels))
    others, _ = golden_first([{name: values[mixed] for name, values in inputs.items()}], labels[mixed], 100)
    assert list(mixed[others]) == list(indices)


@pytest.mark.parametrize("size", [1, 7, 64, 200])
@pytest.mark.parametrize("most", [10, 30])
def test_in_batches_they_are_the_first_of_the_whole_split(size: int, most: int) -> None:
    inputs, labels = split(200, 17)
    batches = [{name: values[start : start + size] for name, values in inputs.items()} for start in range(0, 200, size)]
    whole, golden = golden_first([inputs], labels, 200)
    indices, count = golden_first(batches, labels, most)
    assert golden == count == 17
    assert list(indices) == list(whole[: max(17, most)])


def test_a_class_that_the_split_lacks_is_not_there() -> None:
    inputs, labels = split(60, 4)
    labels[labels == 2] = 1
    indices, count = golden_first([inputs], labels, len(labels))
    assert count == 10 and set(labels[indices[:count]]) == {0, 1, 3}


def test_they_hold_flat_inputs_by_name_and_what_is_missing() -> None:
    picture = np.array([[[0.1, np.nan], [0.3, 0.4]]], np.float32)
    golden = golden_of("0" * 64, 1e-5, {"picture": picture}, ["rose"], "p", np.array([[0.25, 0.75]], np.float32))
    [example] = golden.examples
    assert example.model_dump() == {
        "label": "rose",
        "inputs": {"picture": (0.1, None, 0.3, 0.4)},
        "outputs": {"p": (0.25, 0.75)},
    }
