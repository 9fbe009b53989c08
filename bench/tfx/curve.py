"""Draw examples per second and peak memory over the number of examples, from the rows of a bench.

    python -m bench.tfx.curve [--rows FILE] [--output FILE.svg]

The rows are `examples_per_second_*` and `peak_memory_*`, as `python -m bench` wrote them. LocalDagRunner's points are
the yardsticks of the smaller sizes; the larger sizes have none.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.row import Row, read
from nightlite.errors import NightliteError
from nightlite.paths import PROJECT

ROWS = PROJECT / "var" / "bench.json"
PICTURE = PROJECT / "docs" / "images" / "curve.svg"
SIZES = {"1k": 1_000, "10k": 10_000, "60k": 60_000, "100k": 100_000, "1m": 1_000_000}
WITH_LOCAL_RUNNER = ("1k", "10k", "60k")
PANELS = {"examples_per_second": "examples per second", "peak_memory": "largest process, MiB"}
# The text stays text, and the same rows are the same file.
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "curve",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.4,
}
_OURS, _THEIRS = "#0b6e4f", "#c1666b"


@dataclass(frozen=True)
class Points:
    """Numbers of examples and a figure for each: ours, and LocalDagRunner's of some sizes."""

    ours: tuple[tuple[int, float], ...]
    local_runner: tuple[tuple[int, float], ...]


def points(rows: Iterable[Row], figure: str) -> Points:
    """Return the points of a figure, such as `peak_memory`, by size.

    Raises:
      NightliteError: fewer than two sizes were measured.
    """
    by_name = {row.name: row for row in rows}
    found = {size: row for size in SIZES if (row := by_name.get(f"{figure}_{size}"))}
    if len(found) < 2:
        raise NightliteError(
            f"expected two or more rows {figure}_*. Received: {', '.join(found) or 'none'}. "
            "Measure them: python -m bench --only 'examples_per_second_*' 'peak_memory_*'"
        )
    theirs = [(SIZES[size], row.yardstick) for size, row in found.items() if size in WITH_LOCAL_RUNNER]
    ours = {SIZES[size]: row.ours for size, row in found.items()}
    if (largest := found.get("1m")) and largest.yardstick is not None:
        ours[SIZES["100k"]] = largest.yardstick  # our own, measured in the same bench
    return Points(
        tuple(sorted(ours.items())),
        tuple((examples, yardstick) for examples, yardstick in theirs if yardstick is not None),
    )


def draw(rows: Sequence[Row], picture: Path) -> None:
    """Write the picture as SVG.

    Raises:
      NightliteError: rows are missing, or the picture cannot be written.
    """
    with style.context(_STYLE):
        figure = Figure(figsize=(8, 3.4), layout="constrained", facecolor="white")
        for axes, (name, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
            _panel(axes, points(rows, name), title)
        try:
            figure.savefig(picture, format="svg", metadata={"Date": None})
        except OSError as error:
            raise NightliteError(
                f"{picture} cannot be written: {error.strerror}. Choose another with --output"
            ) from None


def _panel(axes: Axes, found: Points, title: str) -> None:
    axes.plot(*zip(*found.ours, strict=True), "o-", color=_OURS, label="ours, under Airflow")
    if found.local_runner:
        axes.plot(*zip(*found.local_runner, strict=True), "s--", color=_THEIRS, label="LocalDagRunner")
    for examples, value in found.ours:
        axes.annotate(f"{value:,.0f}", (examples, value), (0, 6), textcoords="offset points", ha="center", fontsize=8)
    axes.set(xscale="log", xlabel="examples", title=title)
    axes.set_ylim(0, 1.2 * max(value for _, value in (*found.ours, *found.local_runner)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.legend(loc="lower right", frameon=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tfx.curve", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=Path, default=ROWS, metavar="FILE", help="default: var/bench.json")
    parser.add_argument("--output", type=Path, default=PICTURE, metavar="FILE", help="default: docs/images/curve.svg")
    options = parser.parse_args()
    try:
        draw(read(options.rows), options.output)
    except NightliteError as error:
        print(f"curve: {error}", file=sys.stderr)
        return 1
    print(f"Written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
