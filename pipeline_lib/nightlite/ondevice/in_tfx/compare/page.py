"""Page of a comparison: one file that needs no other and no network, in the report's style."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes

from nightlite.ondevice.in_tfx.report import charts, pages
from nightlite.ondevice.report.file_comparison import ClassPair, FileComparison

_TEMPLATES = Path(__file__).with_name("templates")


def render(found: FileComparison) -> str:
    """Return the page's text."""
    return (
        pages.environment(_TEMPLATES)
        .get_template("comparison.html.j2")
        .render(
            found=found,
            class_chart=_class_changes(found.classes) if found.classes else "",
            visible=pages.VISIBLE,
            most_values=pages.MOST_VALUES,
        )
    )


def _class_changes(classes: Sequence[ClassPair]) -> Markup:
    """Draw each class's accuracy in B less that in A."""

    def draw(axes: Axes) -> None:
        changes, labels = [item.change for item in classes], [item.label for item in classes]
        colors = [charts.GOOD if change > 0 else charts.BAD for change in changes]
        axes.bar(range(len(classes)), changes, color=colors)
        axes.axhline(0, color=charts.INK, linewidth=0.6)
        charts.class_ticks(axes, labels)
        axes.set_ylabel("B less A")

    return charts.chart("Change of each class's accuracy from A to B", draw, height=2.2)
