"""A digit and what was made of it, for a terminal."""

import numpy as np
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline_lib.mnist.recognition import Answer

_SHADES = " ░▒▓█"
_BAR = 20


def answer(name: str, image: NDArray[np.uint8], said: Answer, *, colours: bool) -> RenderableType:
    """The picture beside the probabilities; the image is uint8 [28, 28]."""
    table = Table("", "probability", "", box=None, padding=(0, 1))
    for label, probability in said.probabilities.items():
        style = "bold green" if label == said.digit else ""
        bar = ProgressBar(total=1, completed=probability, width=_BAR)
        table.add_row(Text(label, style), Text(f"{probability:.2%}", style), bar)
    title = Text.assemble((f"{name}: "), (said.digit, "bold green"), f" (release {said.release})")
    return Group(title, Columns([picture(image, colours=colours), table], padding=(0, 3)))


def picture(image: NDArray[np.uint8], *, colours: bool) -> Text:
    """Two rows of pixels a line: half blocks in grey, or shades where the terminal has no colours."""
    lines = []
    for upper, lower in zip(image[::2].astype(int), image[1::2].astype(int), strict=True):
        if colours:
            pairs = zip(upper, lower, strict=True)
            lines.append(Text.assemble(*(("▀", f"rgb({a},{a},{a}) on rgb({b},{b},{b})") for a, b in pairs)))
        else:
            lines.append(Text("".join(_SHADES[round(shade / 255 * 4)] for shade in (upper + lower) / 2)))
    return Text("\n").join(lines)
