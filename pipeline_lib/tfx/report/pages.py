"""The report's pages: jinja2 templates over a `Report`, each one file that needs no other and no network."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from pipeline_lib.report import Report
from pipeline_lib.report_files import EVALUATIONS_PAGE, REPORT_PAGE, STATISTICS_PAGE
from pipeline_lib.tfx.report import charts

_TEMPLATES = Path(__file__).with_name("templates")
PAGES = (REPORT_PAGE, STATISTICS_PAGE, EVALUATIONS_PAGE)
# Probabilities below it are drawn as nothing.
_VISIBLE = 0.005


def render(report: Report) -> dict[str, str]:
    """The pages' text by file name."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "figure": figure, "bytes": size}
    drawn = _charts(report)
    return {name: environment.get_template(f"{name}.j2").render(report=report, **drawn) for name in PAGES}


def write(report: Report, folder: Path) -> None:
    """Write the pages into the folder, each whole or not at all."""
    for name, text in render(report).items():
        partial = folder / f"{name}.partial"
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / name)


def _charts(report: Report) -> Mapping[str, Any]:
    return {
        "class_accuracy_chart": charts.class_accuracy(report.models),
        "differences_chart": charts.differences(report.agreement),
        "training_charts": charts.training(report.training),
        "history_charts": charts.history(report.history),
        "feature_charts": [
            charts.histogram(f"{feature.name}, {feature.split}", feature.histogram) if feature.histogram else ""
            for feature in report.statistics
        ],
        "visible": _VISIBLE,
    }


def percent(share: float | None, digits: int = 2) -> str:
    return "n/a" if share is None else f"{share:.{digits}%}"


def figure(value: float | None, unit: str = "") -> str:
    """A number as people write it: four significant digits, thousands apart."""
    if value is None:
        return "n/a"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def size(count: int | None) -> str:
    return "n/a" if count is None else f"{count:,} bytes"
