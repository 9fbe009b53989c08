"""Draw scikit-learn's 360 held-out digits as PNG and JPEG files: other sizes, places, colours, light and dark.

python -m tests.pipelines.drawn_digits FOLDER    (TFX environment); each file's name begins with its digit
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from models.mnist.data.sources import load_digits
from models.mnist.model.features import IMAGE_KEY

SIZES = (20, 28, 50, 113, 400)


def draw(digit: np.ndarray, number: int) -> Image.Image:
    """Return the digit in a picture of another shape, not in its middle; every second one dark on light."""
    size = SIZES[number % len(SIZES)]
    picture = Image.new("L", (round(size * 1.8), round(size * 1.2)))
    place = (round(size * 0.7 * (number % 7) / 6), round(size * 0.2 * (number % 3) / 2))
    picture.paste(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC), place)
    if number % 2:
        return ImageOps.invert(picture)
    return ImageOps.colorize(picture, "midnightblue", "khaki") if number % 4 else picture


if __name__ == "__main__":
    held_out = load_digits().eval
    for number, image, label in zip(itertools.count(), held_out.inputs[IMAGE_KEY], held_out.labels, strict=False):
        draw(image, number).save(Path(sys.argv[1], f"{label}-{number}.{'jpg' if number % 3 else 'png'}"))
