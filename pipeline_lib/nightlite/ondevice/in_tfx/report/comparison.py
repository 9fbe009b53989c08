"""Columns of the models, and the examples to look at, from the figures of their answers."""

import base64
import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from nightlite.ondevice.in_tfx.raw_examples import Inputs
from nightlite.ondevice.model import Picture
from nightlite.ondevice.report.contents import Mistake, ModelColumn, ModelFigures, ModelKey

TITLES: Mapping[ModelKey, str] = {"keras": "Keras", "tflite": "TFLite", "released": "Last release"}


def model_column(key: ModelKey, figures: ModelFigures, size_bytes: int) -> ModelColumn:
    """Return a model's column with its figures."""
    return ModelColumn(key=key, title=TITLES[key], size_bytes=size_bytes, **dict(figures))


def with_inputs(shown: tuple[Mistake, ...], inputs: Inputs, show: Picture | None) -> tuple[Mistake, ...]:
    """Return the mistakes with their inputs, which are arrays [k, …] in the order of the mistakes."""
    rows = ({name: values[place] for name, values in inputs.items()} for place in range(len(shown)))
    return tuple(item.model_copy(update=_display(row, show)) for item, row in zip(shown, rows, strict=True))


def _display(example: Inputs, show: Picture | None) -> dict[str, object]:
    """Return the fields of a `Mistake` that show its example."""
    drawn = {name: png(values, show) for name, values in example.items() if show and show.fits(values.shape)}
    rest = {name: tuple(map(float, values.ravel())) for name, values in example.items() if name not in drawn}
    return {"png": next(iter(drawn.values()), ""), "grey": not show or show.channels == 1, "values": rest}


def png(values: npt.NDArray[np.float32], show: Picture) -> str:
    """Return a picture's values as a grey or coloured PNG in base64."""
    levels = np.clip((values - show.black) / (show.white - show.black) * 255, 0, 255).round().astype(np.uint8)
    size = (show.height, show.width, *([show.channels] if show.channels > 1 else []))
    content = io.BytesIO()
    Image.fromarray(levels.reshape(size)).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()
