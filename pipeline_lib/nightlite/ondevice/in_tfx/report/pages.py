"""The report's pages: jinja2 templates over a `Report`, each one file that needs no other and no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from nightlite import durable
from nightlite.ondevice.in_tfx.report import charts, error_charts
from nightlite.ondevice.report import page_templates
from nightlite.ondevice.report.run_report import Report, RunOutcome, RunReport
from nightlite.ondevice.report_files import EVALUATIONS_PAGE, REPORT_PAGE, STATISTICS_PAGE

_TEMPLATES = Path(__file__).with_name("templates")
PAGES = (REPORT_PAGE, STATISTICS_PAGE, EVALUATIONS_PAGE)
# In report.html before the push. The outcome replaces it.
_BEFORE_PUSH = Markup('<p class="small soft">Written before the push. The outcome is on the page of OutcomeReport.</p>')
# Smaller probabilities are not drawn.
VISIBLE = 0.005
# Of one feature of one example.
MOST_VALUES = 8


def render(report: Report) -> dict[str, str]:
    """Return the pages' text by file name."""
    return _rendered(report, {name: f"{name}.j2" for name in PAGES}, _charts(report))


def render_refused_data(report: RunReport) -> dict[str, str]:
    """Return the pages' text, by file name, for a run that trained nothing because its data was refused."""
    return _rendered(report, {REPORT_PAGE: "refused_data.html.j2", STATISTICS_PAGE: f"{STATISTICS_PAGE}.j2"}, {})


def with_outcome(page: str, found: RunOutcome, report: RunReport) -> str:
    """Return ModelReport's `report.html` with the outcome of the run, unless its verdict says it already.

    Args:
      report: the figures, which another run computed after a cache hit.
    """
    text = environment().get_template("outcome.html.j2").render(found=found, report=report)
    return page.replace(_BEFORE_PUSH, text, 1)


def write(pages: Mapping[str, str], folder: Path) -> None:
    """Write the pages into the folder, each whole or not at all."""
    for name, text in pages.items():
        durable.write(folder / name, text.encode())


def _rendered(report: RunReport, templates: Mapping[str, str], drawn: Mapping[str, Any]) -> dict[str, str]:
    drawn, made = {**drawn, "feature_charts": _feature_charts(report)}, environment()
    return {name: made.get_template(file).render(report=report, **drawn) for name, file in templates.items()}


def environment(*folders: Path) -> jinja2.Environment:
    """Return the environment of the report's templates, and of those in more folders."""
    return page_templates.environment(*folders, _TEMPLATES)


def _feature_charts(report: RunReport) -> list[str]:
    return [
        charts.histogram(f"{feature.name}, {feature.split}", feature.histogram) if feature.histogram else ""
        for feature in report.statistics
    ]


def _charts(report: Report) -> Mapping[str, Any]:
    words, of = report.card.words, "a probability" if report.card.labels else "an output"
    return {
        **(_of_classes(report) if report.card.labels else _of_numbers(report)),
        "differences_chart": charts.differences(report.agreement, words, of),
        "training_charts": charts.training(report.training),
        "history_charts": charts.history(report.history, report.quality),
        "most_values": MOST_VALUES,
        "before_push": _BEFORE_PUSH,
    }


def _of_classes(report: Report) -> Mapping[str, Any]:
    return {"class_accuracy_chart": charts.class_accuracy(report.models, report.card.labels), "visible": VISIBLE}


def _of_numbers(report: Report) -> Mapping[str, Any]:
    return {
        "points_chart": error_charts.predicted_against_true(report.models),
        "errors_chart": error_charts.distribution(report.models, report.card.words),
    }
