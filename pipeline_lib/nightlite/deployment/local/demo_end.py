"""The end of a demo: the figures, an example that the release answers, where to look and what to try next."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from nightlite.deployment.local.components import settings_environment
from nightlite.deployment.settings import Settings
from nightlite.ondevice.model import Feature, OnDeviceModel, Picture
from nightlite.ondevice.results.percent import percent
from nightlite.ondevice.results.quality import name_of
from nightlite.ondevice.results.run_summary import RunSummary
from nightlite.paths import PROJECT

_SHADES = " .:*#"
_BLOCK_SHADES = " ░▒▓█"


def print_figures(summary: RunSummary, console: Console) -> None:
    """Print how good and how large the run's two models are."""
    table = Table("", name_of([summary.tflite, summary.keras]), "size", box=box.SIMPLE_HEAD)
    for name, metrics in (("Keras", summary.keras), ("TFLite", summary.tflite)):
        table.add_row(name, metrics.text, "" if metrics.bytes is None else f"{metrics.bytes:,} bytes")
    console.print(table)


def ask_release(settings: Settings, model: OnDeviceModel) -> Mapping[str, Any] | None:
    """Return an eval example with the newest release's answer, as `demo_example` prints it, or None without one."""
    command = [str(settings.tfx_python), "-m", "nightlite.deployment.in_tfx.demo_example", model.name]
    environment = os.environ | settings_environment(settings)
    try:
        done = subprocess.run(command, cwd=PROJECT, env=environment, check=False, text=True, capture_output=True)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None
    except (OSError, ValueError):
        return None


def show_example(model: OnDeviceModel, found: Mapping[str, Any], console: Console) -> None:
    """Draw the example beside the answer.

    Args:
      found: as `demo_example` prints it.
    """
    answer, label = found["answer"], found["label"]
    said = Text.assemble(
        f"Release {found['release']} reads this {model.words.one} as ", (_answer(answer), "bold green")
    )
    truth = Text(f"It is {_truth(label, answer)}, from the eval split, which no training has seen.")
    rows = _rows(model, found["inputs"])
    pictured = [model.show] if model.show else []
    pictures = [
        draw(show, found["inputs"][item.tensor.name], console)
        for show in pictured
        for item in model.features
        if show.fits(item.tensor.shape[1:])
    ]
    shown: list[RenderableType] = [*pictures, *([rows] if rows.row_count else [])]
    console.print(Columns(shown, padding=(0, 3)))
    console.print(said, truth, sep="\n", soft_wrap=True)


def _answer(answer: Mapping[str, Any]) -> str:
    if "label" not in answer:
        return f"{answer['value']:g} {answer['unit']}".strip()
    return f"{answer['label']}, {percent(answer['probabilities'][answer['label']])}"


def _truth(label: str | float, answer: Mapping[str, Any]) -> str:
    return str(label) if "label" in answer else f"{label:g} {answer['unit']}".strip()


def _rows(model: OnDeviceModel, inputs: Mapping[str, Sequence[float | None]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for item in model.features:
        if model.show is None or not model.show.fits(item.tensor.shape[1:]):
            table.add_row(item.tensor.name, ", ".join(_value(item, value) for value in inputs[item.tensor.name]))
    return table


def _value(feature: Feature, value: float | None) -> str:
    meaning = feature.meaning
    if value is None:
        return "missing"
    if meaning.vocabulary:
        known = 0 <= value < len(meaning.vocabulary)
        return meaning.vocabulary[int(value)] if known else f"{value:g}"
    return f"{(value - meaning.offset) / meaning.scale:g} {meaning.unit}".strip()


def draw(show: Picture, values: Sequence[float | None], console: Console) -> Text:
    """Draw a picture: half blocks in grey or colours, or where there are no colours, denser marks for darker rows."""
    low, high = show.black, show.white
    levels = [min(max(((value or 0) - low) / (high - low), 0), 1) for value in values]
    size = show.channels
    pixels = [levels[at : at + size] * (3 // size) for at in range(0, len(levels), size)]
    rows = [pixels[at : at + show.width] for at in range(0, len(pixels), show.width)]
    if len(rows) % 2:
        rows.append([[0.0] * 3] * show.width)
    colours = console.is_terminal and console.color_system is not None and not console.no_color
    pairs = [list(zip(upper, lower, strict=True)) for upper, lower in zip(rows[::2], rows[1::2], strict=True)]
    if colours and not console.options.ascii_only:
        return Text("\n").join(
            Text.assemble(*(("▀", f"{_rgb(upper)} on {_rgb(lower)}") for upper, lower in line)) for line in pairs
        )
    shades = _SHADES if console.options.ascii_only else _BLOCK_SHADES
    return Text("\n").join(
        Text("".join(shades[4 - round((sum(a) + sum(b)) / 6 * 4)] for a, b in line)) for line in pairs
    )


def _rgb(pixel: Sequence[float]) -> str:
    red, green, blue = (round(level * 255) for level in pixel)
    return f"rgb({red},{green},{blue})"


def print_next(model: OnDeviceModel, console: Console, command: str = "./nightlite") -> None:
    """Print three commands to try."""
    predict = "PICTURE.png" if model.show else "ROWS.csv"
    tries = (
        (f"{command} status --model {model.name}", "this run again"),
        (f"{command} predict --model {model.name} {predict}", f"ask the release about a {model.words.one} of yours"),
        (f"{command} trigger --model {model.name} --wait --param 'push=dry run'", "a run that ships nothing"),
    )
    console.print("\nTry next:")
    for text, why in tries:
        console.print(f"  {text}\n      {why}", soft_wrap=True, markup=False, highlight=False)
