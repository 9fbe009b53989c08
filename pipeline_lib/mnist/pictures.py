"""Any picture of one digit in the form that MNIST's digits have. Neither TensorFlow nor TFX is needed.

The form is that of LeCun's data set (yann.lecun.com/exdb/mnist, "The images were size normalized"): light ink on black,
the digit's box scaled to fit 20 x 20 without changing its proportions, then its centre of mass put into the middle of
28 x 28.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline_lib.errors import DataError
from pipeline_lib.mnist.features import IMAGE_SIDE

FORMATS = ("PNG", "JPEG")
BOX = 20
# Less contrast than this (of 255) is paper, noise and JPEG's artefacts.
_LEAST_CONTRAST = 40
# Of the darkest ink's strength: what is fainter is shading or a blurred edge, not the digit's box.
_FAINT = 0.2

Floats = NDArray[np.float64]


def read(path: Path) -> NDArray[np.uint8]:
    """One picture as MNIST would hold it.

    Args:
      path: PNG or JPEG, of any size; dark on light or light on dark; colours and transparency are fine.

    Returns:
      uint8 [28, 28], ink 255 on 0.

    Raises:
      DataError: the file is not such a picture, or shows nothing.
    """
    image = as_mnist(_grey(_open(path)))
    if image is None:
        raise DataError(f"{path}: expected a digit. Received: a picture of one even colour")
    return image


def as_mnist(brightness: NDArray[Any]) -> NDArray[np.uint8] | None:
    """A picture's brightness, [height, width], 0 to 255, as MNIST would hold it; None where it shows nothing."""
    ink = _ink(brightness.astype(np.float64))
    if ink.max() < _LEAST_CONTRAST:
        return None
    ink = np.clip((ink / ink.max() - _FAINT / 2) / (1 - _FAINT / 2), 0, 1)
    return _centred(_boxed(ink))


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=FORMATS) as image:
            upright: Image.Image = ImageOps.exif_transpose(image)
            upright.load()
            return upright
    except UnidentifiedImageError:
        raise DataError(f"{path}: expected a PNG or JPEG file. Received: another kind of file") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: expected a picture of a sane size. Received: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError where a PNG's chunks are broken
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _grey(image: Image.Image) -> Floats:
    """Brightness, [height, width], 0 to 255. What is transparent becomes paper: the opposite of the ink."""
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would clip them
        return np.asarray(image, dtype=np.float64) / 257
    colours = np.asarray(image.convert("LA"), dtype=np.float64)
    brightness, alpha = colours[..., 0], colours[..., 1] / 255
    if alpha.min() == 1:
        return brightness
    if alpha.max() == 0:
        return np.zeros_like(brightness)
    paper = 255 if np.average(brightness, weights=alpha) < 128 else 0
    mixed: Floats = brightness * alpha + paper * (1 - alpha)
    return mixed


def _ink(brightness: Floats) -> Floats:
    """How much each pixel differs from the paper, in the direction in which most do: 0 to 255."""
    edge: list[Any] = [brightness[0], brightness[-1], brightness[:, 0], brightness[:, -1]]
    difference = brightness - np.median(np.concatenate(edge))
    lighter: Floats = np.clip(difference, 0, None)
    darker: Floats = np.clip(-difference, 0, None)
    return lighter if np.sum(lighter**2) > np.sum(darker**2) else darker


def _boxed(ink: Floats) -> Floats:
    """The ink's box, its longer side scaled to 20 pixels."""
    rows, columns = np.nonzero(ink.max(axis=1) > _FAINT)[0], np.nonzero(ink.max(axis=0) > _FAINT)[0]
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(cut.shape)
    height, width = (max(1, round(side * scale)) for side in cut.shape)
    image = Image.fromarray(np.rint(cut * 255).astype(np.uint8))
    resampling = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS
    return np.asarray(image.resize((width, height), resampling), dtype=np.float64)


def _centred(box: Floats) -> NDArray[np.uint8]:
    """The box in the middle of 28 x 28 by its centre of mass, as far as it fits."""
    field = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    weights = box / box.sum()
    starts = []
    for axis, side in enumerate(box.shape):
        centre = float(np.sum(weights.sum(axis=1 - axis) * (np.arange(side) + 0.5)))
        starts.append(int(np.clip(round(IMAGE_SIDE / 2 - centre), 0, IMAGE_SIDE - side)))
    (top, left), (height, width) = starts, box.shape
    field[top : top + height, left : left + width] = np.rint(box)
    return field
