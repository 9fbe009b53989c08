"""The report's charts of a regression's errors."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nightlite.ondevice.in_tfx.report.charts import INK, MARKERS, MODELS, chart, legend
from nightlite.ondevice.model import Words
from nightlite.ondevice.report.contents import ModelColumn


def predicted_against_true(models: Sequence[ModelColumn]) -> Markup:
    """Draw each model's predictions over the labels. On the line they are equal."""

    def draw(axes: Axes) -> None:
        style: Any = {"markersize": 3, "alpha": 0.7}
        for model in models:
            places = zip(*model.points, strict=True)
            axes.plot(*places, MARKERS[model.key], color=MODELS[model.key], label=model.title, **style)
        labels = [label for label, _ in models[0].points]
        ends = (min(labels), max(labels))
        axes.plot(ends, ends, color=INK, linewidth=0.8)
        axes.set_xlabel(_in_unit("label", models))
        axes.set_ylabel("prediction")
        legend(axes, len(models))

    return chart("Predicted against true", draw, height=3.4)


def distribution(models: Sequence[ModelColumn], words: Words) -> Markup:
    """Draw the examples by their error, prediction less label."""

    def draw(axes: Axes) -> None:
        for model in models:
            axes.stairs(
                model.error_counts, model.error_edges, color=MODELS[model.key], label=model.title, linewidth=1.6
            )
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.set_xlabel(_in_unit("prediction less label", models))
        axes.set_ylabel(words.many)
        legend(axes, len(models))

    return chart("Distribution of the errors", draw)


def _in_unit(quantity: str, models: Sequence[ModelColumn]) -> str:
    return f"{quantity}, {models[0].unit}" if models[0].unit else quantity
