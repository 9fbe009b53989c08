"""Ingest of pictures by label: FOLDER/LABEL/*.png or *.jpg, or FOLDER/train/LABEL and FOLDER/eval/LABEL.

The raw values are Pillow's, 0 to 255, in grey or in red, green and blue by the feature's shape. Hidden files, and
files beside the labels' folders that are no pictures, are not read.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import DataError, ModelDeclarationError
from nightlite.ondevice.in_tfx.ingest.examples import EVAL_SHARE, Dataset, Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.progress import shown
from nightlite.ondevice.in_tfx.ingest.sources import find, listed, names_and_indices
from nightlite.ondevice.in_tfx.ingest.stored_rows import stored
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.spans import Span

ENDINGS = (".png", ".jpg", ".jpeg")
_SYSTEMS_OWN = ("thumbs.db", "desktop.ini")


def ingest_pictures(
    model: OnDeviceModel, source: str, data_dir: Path, resize: bool = False, eval_share: float = EVAL_SHARE
) -> Span:
    """Write the pictures of a folder as the next span of `data_dir`. `str()` of the span is a sentence to print.

    Args:
      source: the folder.
      resize: bring pictures of another size to the model's, whatever their proportions. Otherwise they are refused.
      eval_share: part of the pictures that is held out, if the source has no splits of its own.

    Raises:
      DataError: a folder or a picture is malformed, or the span could not be written. Nothing was changed.
      ModelDeclarationError: the model has no input that is a picture, or others beside it.
    """
    return write_span(model, load_pictures(model, source, resize, eval_share, data_dir), data_dir)


def load_pictures(
    model: OnDeviceModel,
    source: str,
    resize: bool = False,
    eval_share: float = EVAL_SHARE,
    scratch: Path | None = None,
) -> Dataset:
    """Read a folder of pictures. Examples come in an order of their own, so files' names do not matter.

    Args:
      scratch: the folder for the pixels, in files without a name. None: the system's.
    """
    size, folder = Size.of(model), find(model, source, "a folder of pictures by label")
    if (folder / "train").is_dir() and (folder / "eval").is_dir():
        train, evaluation = (_read(folder / split, model, size, resize, scratch) for split in ("train", "eval"))
        return Dataset(str(folder), train, evaluation)
    return split_at_random(str(folder), _read(folder, model, size, resize, scratch), model.labels, eval_share)


def has_pictures(folder: Path) -> bool:
    """Return whether a folder has folders of pictures."""
    return any(path.suffix.lower() in ENDINGS for depth in ("*/*", "*/*/*") for path in folder.glob(depth))


@dataclass(frozen=True)
class Size:
    """The form of a model's pictures. `channels` is 1 for grey, 3 for colours."""

    width: int
    height: int
    channels: int

    @classmethod
    def of(cls, model: OnDeviceModel) -> "Size":
        """Return the form of the model's only feature: its shape, or by `show` that of a flat one.

        Raises:
          ModelDeclarationError: it is no picture.
        """
        shapes = [feature.tensor.shape[1:] for feature in model.features]
        match shapes:
            case [(height, width)] | [(height, width, 1)]:
                return cls(width, height, 1)
            case [(height, width, 3)]:
                return cls(width, height, 3)
            case [(values,)] if model.show:
                channels = values / (model.show.width * model.show.height)
                if channels in (1, 3):
                    return cls(model.show.width, model.show.height, int(channels))
        received = listed([str(shape) for shape in shapes])
        raise ModelDeclarationError(
            f"{model.name}: expected one feature that is a picture: of shape [1, height, width] or "
            f"[1, height, width, 3], or flat with `show=Picture(…)`. Received: features of shape {received}"
        )

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


def _read(folder: Path, model: OnDeviceModel, size: Size, resize: bool, scratch: Path | None) -> Split:
    names = _names(folder, model)
    labels = np.repeat([label for _, label, _ in names], [len(files) for *_, files in names]).astype(np.int64)
    if not len(labels):
        raise DataError(f"{folder}: expected a folder of pictures for each of the labels. Received: no picture")
    files = (parent / name for parent, _, files in names for name in files)
    pictures = (_decoded(file, size, resize) for file in shown(files, "Reading pictures", len(labels)))
    key = model.features[0].tensor.name
    return Split(stored(({key: picture[np.newaxis]} for picture in pictures), scratch), labels).by_content()


def _names(folder: Path, model: OnDeviceModel) -> list[tuple[Path, int, list[str]]]:
    """Return each folder of pictures, its label and the files' names."""
    known, found = names_and_indices(model.labels), []
    for entry in _entries(folder):
        if not entry.is_dir():
            if entry.suffix.lower() in ENDINGS:
                raise DataError(f"{entry}: expected pictures in folders that labels name. Received: one beside them")
            continue
        if entry.name not in known:
            names = listed([repr(label) for label in model.labels])
            raise DataError(
                f"{did_you_mean([entry.name], model.labels)}{entry}: expected a folder that a label names, {names}, "
                f"or train and eval folders. Received: {entry.name!r}"
            )
        files = _entries(entry)
        for file in files:
            if file.suffix.lower() not in ENDINGS:
                raise DataError(f"{file}: expected pictures, {', '.join(ENDINGS)}. Received: {file.name}")
        found.append((entry, known.index(entry.name) % len(model.labels), [file.name for file in files]))
    return found


def _entries(folder: Path) -> list[Path]:
    hidden = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in hidden if entry.name.lower() not in _SYSTEMS_OWN)


def _decoded(file: Path, size: Size, resize: bool) -> NDArray[np.uint8]:
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as opened:
            picture = ImageOps.exif_transpose(opened)
            return _pixels(picture, file, size, resize)
    except UnidentifiedImageError:
        raise DataError(f"{file}: expected a PNG or JPEG file. Received: another kind of file") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{file}: expected a picture of {size} pixels. Received: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for a PNG with broken chunks
        raise DataError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _pixels(picture: Image.Image, file: Path, size: Size, resize: bool) -> NDArray[np.uint8]:
    if picture.mode.startswith("I"):  # Pillow would clip them
        raise DataError(f"{file}: expected 8 bits a channel. Received: 16 bits; save it with 8")
    if picture.has_transparency_data and np.asarray(picture.convert("RGBA"))[..., 3].min() < 255:
        raise DataError(f"{file}: expected an opaque picture. Received: one with transparent parts")
    if picture.size != (size.width, size.height) and not resize:
        width, height = picture.size
        raise DataError(f"{file}: expected {size} pixels. Received: {width} x {height}")
    picture = picture.convert("L" if size.channels == 1 else "RGB")
    if picture.size != (size.width, size.height):
        picture = picture.resize((size.width, size.height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(size.height, size.width, size.channels)
