"""Convert any picture of one digit into the form of MNIST's digits. Needs neither TensorFlow nor TFX.

The form is that of LeCun's data set (yann.lecun.com/exdb/mnist, "The images were size normalized"), light ink on
black. The digit's box is scaled in proportion to fit 20 x 20. Its centre of mass is then put into the middle of 28 x
28. `models/mnist/predict/ink.py` separates the ink from a photograph's uneven light.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.mnist.model.features import IMAGE_SIDE
from models.mnist.predict.ink import Floats, one_mark
from nightlite.errors import DataError

FORMATS = ("PNG", "JPEG")
BOX = 20
# Longer sides are reduced to between this and twice this, so that large photographs stay quick.
_SIDE = 256
# Fainter ink is a blurred edge, outside of the digit's box.
_FAINT = 0.2


def read(path: Path) -> NDArray[np.uint8]:
    """Read one picture as MNIST would hold it.

    Args:
      path: PNG or JPEG, of any size, dark on light or light on dark, with colours, transparency or shading.

    Returns:
      uint8 [28, 28], ink 255 on 0.

    Raises:
      UnclearPictureError: it shows nothing, noise, or several marks.
      DataError: the file is not such a picture.
    """
    return _centred(_boxed(one_mark(_grey(_open(path)))))


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
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for a PNG with broken chunks
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _grey(image: Image.Image) -> Floats:
    """Return the brightness, [height, width], 0 to 255. Transparent parts become paper: the opposite of the ink."""
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would clip them
        return np.asarray(_reduced(Image.fromarray(np.asarray(image, dtype=np.float32) / 257)), dtype=np.float64)
    colours = np.asarray(_reduced(image.convert("LA")), dtype=np.float64)
    brightness, alpha = colours[..., 0], colours[..., 1] / 255
    if alpha.min() == 1:
        return brightness
    if alpha.max() == 0:
        return np.zeros_like(brightness)
    paper = 255 if np.average(brightness, weights=alpha) < 128 else 0
    mixed: Floats = brightness * alpha + paper * (1 - alpha)
    return mixed


def _reduced(image: Image.Image) -> Image.Image:
    factor = max(image.size) // _SIDE
    return image.reduce(factor) if factor > 1 else image


def _boxed(ink: Floats) -> Floats:
    """Cut out the ink's box and scale its longer side to 20 pixels."""
    rows, columns = np.nonzero(ink.max(axis=1) > _FAINT)[0], np.nonzero(ink.max(axis=0) > _FAINT)[0]
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(cut.shape)
    height, width = (max(1, round(side * scale)) for side in cut.shape)
    image = Image.fromarray(np.rint(cut * 255).astype(np.uint8))
    resampling = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS
    return np.asarray(image.resize((width, height), resampling), dtype=np.float64)


def _centred(box: Floats) -> NDArray[np.uint8]:
    """Put the box into the middle of 28 x 28 by its centre of mass, as far as it fits."""
    field = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    weights = box / box.sum()
    starts = []
    for axis, side in enumerate(box.shape):
        centre = float(np.sum(weights.sum(axis=1 - axis) * (np.arange(side) + 0.5)))
        starts.append(int(np.clip(round(IMAGE_SIDE / 2 - centre), 0, IMAGE_SIDE - side)))
    (top, left), (height, width) = starts, box.shape
    field[top : top + height, left : left + width] = np.rint(box)
    return field
