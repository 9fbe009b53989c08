"""Drawing of a digit and its prediction for a terminal."""

import numpy as np
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from models.mnist.predict.prediction import Prediction
from nightlite.ondevice.results.percent import percent

_SHADES = " ░▒▓█"
_BAR = 20


def prediction(name: str, found: Prediction, *, colours: bool) -> RenderableType:
    """Draw the picture beside the probabilities, or only the reason why there are none."""
    said = f"not sure: {found.not_sure}" if found.not_sure else found.answer.digit if found.answer else ""
    style = "bold yellow" if found.not_sure else "bold green"
    title = Text.assemble(f"{name}: ", (said, style), f" (release {found.answer.release})" if found.answer else "")
    if found.answer is None or found.image is None:
        return title
    table = Table("", "probability", "", box=None, padding=(0, 1))
    for label, probability in found.answer.probabilities.items():
        bar = ProgressBar(total=1, completed=probability, width=_BAR)
        table.add_row(Text(label, style if label == found.answer.digit else ""), percent(probability), bar)
    return Group(title, Columns([picture(found.image, colours=colours), table], padding=(0, 3)))


def picture(image: NDArray[np.uint8], *, colours: bool) -> Text:
    """Draw two rows of pixels per line: half blocks in grey, or shades without colours."""
    lines = []
    for upper, lower in zip(image[::2].astype(int), image[1::2].astype(int), strict=True):
        if colours:
            pairs = zip(upper, lower, strict=True)
            lines.append(Text.assemble(*(("▀", f"rgb({a},{a},{a}) on rgb({b},{b},{b})") for a, b in pairs)))
        else:
            lines.append(Text("".join(_SHADES[round(shade / 255 * 4)] for shade in (upper + lower) / 2)))
    return Text("\n").join(lines)
