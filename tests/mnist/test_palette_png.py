"""docs/palette_png.py, which makes the README's pictures small, against Pillow, which only this environment has."""

import io
import runpy

import numpy as np
import pytest
from PIL import Image

from pipeline_lib.places import PROJECT

palette_png = runpy.run_path(str(PROJECT / "docs" / "palette_png.py"))["palette_png"]


def png(pixels: np.ndarray, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    # Optimized: every kind of line that PNG knows.
    Image.fromarray(pixels).convert(mode).save(file, "PNG", optimize=True)
    return file.getvalue()


def test_few_colours_stay_as_they_are_and_many_become_near_ones() -> None:
    few = np.zeros((40, 50, 3), np.uint8)
    few[:20], few[20:, :25] = (250, 240, 10), (9, 200, 130)
    shades = np.linspace(0, 255, 40 * 50 * 3).reshape(few.shape).astype(np.uint8)
    for pixels, off_by in ((few, 0), (shades, 7)):
        small = Image.open(io.BytesIO(palette_png(png(pixels))))
        assert small.mode == "P"
        assert np.abs(np.asarray(small.convert("RGB")).astype(int) - pixels).max() <= off_by


def test_what_it_cannot_read_it_refuses() -> None:
    with pytest.raises(ValueError, match="expected an 8-bit RGB PNG. Received: depth 8, colour type 6"):
        palette_png(png(np.zeros((2, 2, 3), np.uint8), "RGBA"))
