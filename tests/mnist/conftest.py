"""Small IDX files, so that every test of the data works offline."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib.mnist.dataset import Dataset
from tests.mnist.made_digits import idx_bytes, make_split


@pytest.fixture
def dataset() -> Dataset:
    return Dataset("test", make_split(23, seed=1), make_split(10, seed=2))


@pytest.fixture
def idx_folder(tmp_path: Path, dataset: Dataset) -> Path:
    """A folder with the four files of `dataset`, gzip-compressed."""
    folder = tmp_path / "idx"
    folder.mkdir()
    for prefix, split in (("train", dataset.train), ("t10k", dataset.eval)):
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(split.images)))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(split.labels)))
    return folder


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "some-idx-file.gz"
        path.write_bytes(content)
        return path

    return write
