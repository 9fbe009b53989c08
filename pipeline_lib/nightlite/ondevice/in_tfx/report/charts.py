"""The report's charts: matplotlib draws them, the page's style sheet colours them.

Each is an SVG element without a script, its text as text. Its colours are variables of the page, so that the chart
is light or dark as the page is.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends import backend_svg  # noqa: F401  matplotlib imports it at the first chart: here it is preloaded
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nightlite.ondevice.model import Words
from nightlite.ondevice.report.contents import Agreement, Bucket, ModelColumn
from nightlite.ondevice.report.run_report import PastRun
from nightlite.ondevice.results.quality import Quality, name_of

# Colours outside of every palette. `_svg` replaces them by the page's variables.
INK, _LINE, GOOD, BAD, _PAGE = "#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04", "#0a0a08"
MODELS = {"keras": "#0a0a05", "tflite": "#0a0a06", "released": "#0a0a07"}
MARKERS = {"keras": "o", "tflite": "s", "released": "^"}
_VARIABLES = {
    INK: "--ink",
    _LINE: "--line",
    GOOD: "--good",
    BAD: "--bad",
    _PAGE: "--card",
    **{color: f"--{key}" for key, color in MODELS.items()},
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": _LINE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}
_WIDTH = 4.9  # inches: on a phone 350 pixels wide, the text is still 9 pixels high
_MOST_LETTERS = 50  # of labels side by side
_MOST_WORDS = 6  # in a chart, so that they do not overlap
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.4g} %")


def class_accuracy(models: Sequence[ModelColumn], labels: Sequence[str]) -> Markup:
    """Draw each class's accuracy, one mark per model."""

    def draw(axes: Axes) -> None:
        for position, model in enumerate(models):
            shares = [np.nan if share is None else share for share in model.class_accuracy]
            places = np.arange(len(shares)) + 0.2 * (position - (len(models) - 1) / 2)
            axes.plot(places, shares, MARKERS[model.key], color=MODELS[model.key], label=model.title)
        class_ticks(axes, labels)
        legend(axes, len(models))

    return chart("Accuracy of each class", draw)


def class_ticks(axes: Axes, labels: Sequence[str]) -> None:
    """Name the classes below a chart of shares."""
    slanted: Any = {"rotation": 40, "ha": "right"} if sum(map(len, labels)) > _MOST_LETTERS else {}
    axes.set_xticks(range(len(labels)), labels, **slanted)
    axes.yaxis.set_major_formatter(_PERCENT)
    axes.set_xlabel("class")
    axes.grid(visible=False, axis="x")


def differences(found: Agreement, words: Words, of: str) -> Markup:
    """Draw the examples by their largest difference of an output between TFLite and Keras."""

    def draw(axes: Axes) -> None:
        axes.bar(found.edges[:-1], found.counts, np.diff(found.edges), align="edge", color=MODELS["tflite"])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda power, _: f"1e{power:.0f}"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.set_xlabel(f"largest difference of {of}")
        axes.set_ylabel(words.many)

    return chart("Distribution of the differences between TFLite and Keras", draw, height=2.2)


def training(curves: dict[str, tuple[float, ...]]) -> dict[str, Markup]:
    """Draw one chart per quantity, on the training split and (`val_…`, as Keras names it) on the eval split."""
    names = [name for name in curves if not name.startswith("val_")]
    return {name: _curve(name, curves[name], curves.get(f"val_{name}", ())) for name in names}


def _curve(name: str, trained: Sequence[float], evaluated: Sequence[float]) -> Markup:
    def draw(axes: Axes) -> None:
        for values, style, label in ((trained, "--", "train"), (evaluated, "-", "eval")):
            if values:
                mark = "o" if len(values) < 3 else ""
                axes.plot(range(1, len(values) + 1), values, style, marker=mark, color=MODELS["keras"], label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        if "accuracy" in name:
            axes.yaxis.set_major_formatter(_PERCENT)
        legend(axes, 2)

    return chart(f"Training: {name}", draw, height=2.2)


def history(runs: Sequence[PastRun], quality: Quality) -> dict[str, Markup]:
    """Draw quality, size and latency of the runs, oldest first. A refused run's mark is hollow.

    The line of the quality ends where the eval set changes, because figures on two sets are not comparable.

    Args:
      runs: of one model.
      quality: of its last run.
    """
    name = name_of([quality])
    title = f"{name}, {quality.unit}" if quality.unit else name
    lines: list[tuple[str, dict[str, str], FuncFormatter | None, float]] = [
        (title, {"keras": "keras", "tflite": "tflite"}, _PERCENT if name == "accuracy" else None, 1),
        ("size of the TFLite file, kB", {"tflite": "size_bytes"}, None, 1000),
    ]
    if any(run.latency_p50_ms is not None for run in runs):
        lines.append(("median latency of the TFLite file, ms", {"tflite": "latency_p50_ms"}, None, 1))
    return {title: _over_runs(title, runs, fields, formatter, divisor) for title, fields, formatter, divisor in lines}


def _over_runs(
    title: str, runs: Sequence[PastRun], fields: dict[str, str], formatter: FuncFormatter | None, divisor: float
) -> Markup:
    of_quality = len(fields) > 1
    parts = _parts(runs) if of_quality else [slice(0, len(runs))]

    def draw(axes: Axes) -> None:
        for key, field in fields.items():
            values = [np.nan if (value := getattr(run, field)) is None else value / divisor for run in runs]
            for part in parts:
                label = key if part.start == 0 else None
                axes.plot(range(part.start, part.stop), values[part], color=MODELS[key], label=label)
            for place, (run, value) in enumerate(zip(runs, values, strict=True)):
                edge, fill = (BAD, _PAGE) if run.blessed is False else (MODELS[key], MODELS[key])
                wider = 8 if key == "keras" else 5  # if both models are alike, the one beneath still shows
                axes.plot(place, value, MARKERS[key], markersize=wider, markeredgecolor=edge, markerfacecolor=fill)
        if of_quality:
            _mark_parts(axes, runs, parts)
        last = len(runs) - 1
        axes.set_xlim(-0.5, last + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda place, _: "this run" if place == last else f"{place - last:.0f}")
        )
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        if formatter:
            axes.yaxis.set_major_formatter(formatter)
        if len(fields) > 1:
            legend(axes, len(fields))

    return chart(title, draw, height=1.7)


def _parts(runs: Sequence[PastRun]) -> list[slice]:
    """Return the groups of consecutive runs with the same eval set."""
    starts = [place for place in range(len(runs)) if place == 0 or runs[place].eval_set != runs[place - 1].eval_set]
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(runs)], strict=True)]


def _mark_parts(axes: Axes, runs: Sequence[PastRun], parts: Sequence[slice]) -> None:
    axes.margins(y=0.3)  # room for the words below the marks
    step = -(-len(parts) // _MOST_WORDS)
    for number, part in enumerate(parts):
        if number:
            axes.axvline(part.start - 0.5, color=INK, linewidth=0.6, linestyle=":")
        if number % step == 0:
            place = {"x": part.start - 0.4, "y": 0.03, "transform": axes.get_xaxis_transform()}
            axes.text(s=runs[part.start].data, fontsize=7, clip_on=True, **place)


def histogram(title: str, buckets: Sequence[Bucket]) -> Markup:
    """Draw a feature's distribution."""

    def draw(axes: Axes) -> None:
        axes.bar(range(len(buckets)), [bucket.count for bucket in buckets], color=MODELS["keras"])
        axes.set_xticks(range(len(buckets)), [bucket.label for bucket in buckets], rotation=40, ha="right")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.grid(visible=False, axis="x")

    return chart(title, draw, height=2.2)


def legend(axes: Axes, columns: int) -> None:
    """Put the names of so many lines above a chart, side by side."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2, handletextpad=0.4)


def chart(title: str, draw: Callable[[Axes], None], height: float = 2.6) -> Markup:
    """Return a chart with that title for those who do not see it, its height in inches."""
    style: Any = {**_STYLE, "svg.hashsalt": title}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0)
        draw(figure.subplots())
        content = io.StringIO()
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return _svg(title, content.getvalue())


def _svg(title: str, text: str) -> Markup:
    # Charts share group ids. Ids of clip paths and marks hold the title's hash.
    text = re.sub(r'<g id="[^"]*"', "<g", text[text.index("<svg") :])
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", text, count=1)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    label = Markup.escape(title)
    return Markup(text.replace("<svg ", f'<svg class="chart" role="img" aria-label="{label}" ', 1))  # noqa: S704
