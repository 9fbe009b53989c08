"""A digit of MNIST's as a picture: drawn plainly, and as a photograph of paper in uneven light."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

SIDE, MARGIN = 224, 56
INK, SHADE, LIGHT = 40, 150, 230
BLUR, NOISE, QUALITY = 3, 10, 70


def drawn(digit: NDArray[np.uint8]) -> Image.Image:
    """Draw it black on white, a few hundred pixels wide."""
    enlarged = Image.fromarray(digit).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return ImageOps.invert(ImageOps.expand(enlarged, MARGIN))


def photographed(digit: NDArray[np.uint8], random: np.random.Generator) -> Image.Image:
    """Photograph it: light from any side, a little out of focus, and noise. Save it with JPEG's quality `QUALITY`."""
    paper = np.asarray(drawn(digit)) / 255
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = np.indices(paper.shape)
    slope = np.cos(angle) * columns + np.sin(angle) * rows
    light = SHADE + (LIGHT - SHADE) * (slope - slope.min()) / np.ptp(slope)
    sharp = Image.fromarray(np.rint(INK + (light - INK) * paper).astype(np.uint8))
    seen = np.asarray(sharp.filter(ImageFilter.GaussianBlur(BLUR))) + random.normal(0, NOISE, paper.shape)
    return Image.fromarray(np.clip(np.rint(seen), 0, 255).astype(np.uint8))
