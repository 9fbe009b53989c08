"""A split on the disk: batch by batch what the whole would be, in memory that does not grow with it."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.answers.eval_split import EvalSplit
from nightlite.ondevice.in_tfx.answers.spool import ArrayFile, SpooledInputs
from nightlite.ondevice.in_tfx.raw_examples import BATCH
from tests.ondevice.in_tfx.several_inputs import CONTRACT, inputs, save_examples

COUNT = BATCH + 44


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("examples") / "eval-00000-of-00001.gz"
    save_examples(path, inputs(COUNT))
    return str(path)


def spooled(file: str, folder: Path) -> EvalSplit:
    return EvalSplit.spooled([file], CONTRACT, "label", np.int64, folder)


def test_inputs_and_labels_are_the_files_in_batches_of_the_same_examples(file: str, tmp_path: Path) -> None:
    split = spooled(file, tmp_path)
    assert [len(labels) for labels in split.label_batches()] == [BATCH, 44]
    assert split.labels.tolist() == [index % 4 for index in range(COUNT)]
    start = 0
    for labels, batch in zip(split.label_batches(), split.inputs, strict=True):
        for name, values in inputs(COUNT).items():
            np.testing.assert_array_equal(batch[name], values[start : start + len(labels)])
        start += len(labels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs"]


def test_examples_are_taken_by_their_indices_in_their_order(file: str, tmp_path: Path) -> None:
    split = spooled(file, tmp_path)
    for indices in (np.array([COUNT - 1, 3, BATCH, 0]), np.array([], np.int64)):
        taken = split.inputs.take(indices)
        for name, values in inputs(COUNT).items():
            np.testing.assert_array_equal(taken[name], values[indices])
    assert {len(values) for values in split.inputs.first(BATCH + 5).values()} == {BATCH + 5}
    assert {len(values) for values in split.inputs.first(None).values()} == {COUNT}


def test_the_hash_is_that_of_the_examples_in_their_order(file: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    mixed = tmp_path / "eval-mixed.gz"
    save_examples(mixed, {name: values[::-1] for name, values in inputs(COUNT).items()})
    first, again, other = (
        spooled(str(path), folder).eval_set for path, folder in zip((file, file, mixed), folders, strict=True)
    )
    assert len(first) == 16 and first == again != other


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected at least one example"):
        EvalSplit.spooled([], CONTRACT, "label", np.int64, tmp_path)


def test_a_features_name_may_have_a_slash_or_a_point(tmp_path: Path) -> None:
    names = ("a/b", "..", "c.npy", "größe %2F")
    batch = {name: np.full((3, 2), place, np.float32) for place, name in enumerate(names)}
    found = SpooledInputs.write(tmp_path / "inputs", [batch])
    assert list(found.files) == sorted(names)
    for name, values in found.first(None).items():
        np.testing.assert_array_equal(values, batch[name])


def test_memory_is_that_of_a_batch(tmp_path: Path) -> None:
    def batches(count: int) -> Iterator[np.ndarray]:
        for number in range(count):
            yield np.full((64, 256), number, np.float32)  # 64 KiB

    peaks = []
    for count in (8, 64):
        tracemalloc.start()
        found = SpooledInputs.write(tmp_path / str(count), ({"x": batch} for batch in batches(count)))
        outputs = ArrayFile(tmp_path / f"{count}.npy")
        outputs.write(batch["x"][:, :2] for batch in found)
        assert sum(len(batch) for batch in outputs) == 64 * count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The split itself grows by 3.5 MiB.
    assert peaks[1] - peaks[0] < 2**18
