"""The report's page, section by section, each with its figures; the charts by the places of what they draw."""

import html
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from nightlite.ondevice.in_tfx.report import pages
from nightlite.ondevice.report.contents import Agreement, Mistake, Mistakes, ModelColumn, ReportedMeasurements
from nightlite.ondevice.report.run_report import PastRun, Report
from nightlite.ondevice.task import Regression
from tests.ondevice.cards import CARD

SECTIONS = {
    *("Side by side", "Gates", "Accuracy of each class", "TFLite against Keras", "Confusion", "Flowers to look at"),
    "The model",
    *("Training", "Runs up to this one", "The last runs as figures", "Data", "Run parameters", "Made with"),
}
CONFUSIONS = {
    "keras": ((7, 1, 0), (2, 11, 3), (0, 4, 13)),
    "tflite": ((6, 2, 0), (1, 12, 3), (5, 0, 12)),
    "released": ((8, 0, 0), (0, 9, 7), (1, 1, 15)),
}
TITLES = {"keras": "Keras", "tflite": "TFLite", "released": "Last release"}
VALUES = {"petal_length": (1.5,), "colours": (0.25, 0.5, 0.75, 1, 2, 3, 4, 5, 6)}
MEASURED = {
    "tflite": ReportedMeasurements(
        load_ms=1.25,
        latency_ms={"p50": 2.5, "p90": 2.75, "p95": 3.25, "p99": 4.5},
        peak_memory_mib=5.5,
        fully_accelerated=True,
    ),
    "released": ReportedMeasurements(
        load_ms=1.75, latency_ms={"p50": 6.5, "p90": 7.5, "p95": 8.5, "p99": 9.5}, peak_memory_mib=10.5
    ),
}
TRAINING = {
    "loss": (0.9, 0.5, 0.3, 0.2),
    "val_loss": (0.8, 0.6, 0.35, 0.3),
    "accuracy": (0.6, 0.7, 0.9, 0.95),
    "val_accuracy": (0.5, 0.8, 0.85, 0.9),
}
RUNS = tuple(
    PastRun(
        run_id=f"night {number}",
        created=datetime(2026, 11, number, tzinfo=UTC),
        span=17 if number < 3 else 18,  # before the eval set
        window=1 if number < 4 else 2,
        eval_set="first" if number < 4 else "second",
        keras=keras,
        tflite=tflite,
        size_bytes=size,
        latency_p50_ms=latency,
        blessed=blessed,
    )
    for number, keras, tflite, size, latency, blessed in (
        (1, 0.9111, 0.9012, 201_000, 0.51, True),
        (2, 0.9333, 0.9234, 203_000, 0.53, False),
        (3, 0.9222, 0.9444, 202_000, 0.57, None),
        (4, 0.9555, 0.9456, 209_000, 0.52, True),
        (5, 0.9666, 0.9567, 207_000, 0.55, False),
    )
)


def column(key: str, loss: float, size_bytes: int) -> ModelColumn:
    confusion = np.array(CONFUSIONS[key])
    return ModelColumn(
        key=key,
        title=TITLES[key],
        accuracy=np.trace(confusion) / confusion.sum(),
        loss=loss,
        class_accuracy=tuple(np.diag(confusion) / confusion.sum(axis=1)),
        confusion=CONFUSIONS[key],
        size_bytes=size_bytes,
        measurements=MEASURED.get(key),
    )


def example(kind: str, label: int) -> Mistake:
    sure = {"keras": (0.61, 0.25, 0.14), "tflite": (0.16, 0.72, 0.12), "released": (0.05, 0.12, 0.83)}
    return Mistake(index=0, label=label, kind=kind, probabilities=sure, values=VALUES)


REPORT = Report(
    pipeline="flowers",
    card=CARD,
    run_id="night 5",
    created=datetime(2026, 11, 5, tzinfo=UTC),
    blessed=None,
    verdict="Not judged",
    models=(column("keras", 0.1234, 716_131), column("tflite", 0.2345, 214_477), column("released", 0.3456, 63_579)),
    gates=(),
    agreement=Agreement(
        examples=1041, agreeing=1037, largest_difference=0.23, mean_difference=0.0045, edges=(-3, -2, -1, 0),
        counts=(1000, 34, 7),
    ),
    mistakes=Mistakes(disagreements=4, both_err=9, shown=(example("disagree", 2), example("both err", 1))),
    training=TRAINING,
    span=17,
    source="a meadow of theirs",
    examples={"eval": 1041, "train": 8123},
    statistics=(),
    anomalies=(),
    evaluations={},
    parameters={"epochs": 23, "force": True},
    versions={"tfx": "1.21.7", "keras": "3.9.8"},
    history=RUNS,
)  # fmt: skip


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    page = pages.render(REPORT)["report.html"]
    return dict(re.findall(r"<section[^>]*><h2>(.*?)</h2>(.*?)</section>", page, re.DOTALL))


def text(part: str) -> str:
    return html.unescape(" ".join(re.sub("<[^>]*>", " ", part).split()))


def rows(part: str) -> list[list[str]]:
    return [
        [text(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", part, re.DOTALL)
    ]


def facts(part: str) -> dict[str, str]:
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", part, re.DOTALL)
    return {text(name): text(value) for name, value in pairs}


def charts(part: str) -> dict[str, str]:
    return {text(name): svg for name, svg in re.findall(r'aria-label="([^"]*)"[^>]*>(.*?)</svg>', part, re.DOTALL)}


def lines(svg: str, key: str, length: int) -> list[list[float]]:
    """Return the heights of a model's lines of so many points, as they are drawn: downwards."""
    paths = re.findall(rf'<path d="([^"]*)"[^>]*stroke: var\(--{key}\)', svg)
    found = [[float(y) for _, y in re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", path)] for path in paths]
    return [line for line in found if len(line) == length]


def assert_drawn(heights: Any, values: Any) -> None:
    """Return all on one scale, and the larger the higher."""
    slope, offset = np.polyfit(np.ravel(values), np.ravel(heights), 1)
    assert slope < 0
    np.testing.assert_allclose(slope * np.ravel(values) + offset, np.ravel(heights), atol=0.01)


def test_every_section_is_there_once(sections: dict[str, str]) -> None:
    assert sections.keys() == SECTIONS
    assert pages.render(REPORT)["report.html"].count("<section") == len(SECTIONS)


def test_the_models_stand_side_by_side(sections: dict[str, str]) -> None:
    head, *found = rows(sections["Side by side"])
    assert head == ["", "Keras", "TFLite", "Last release"]
    assert {row[0]: row[1:] for row in found} == {
        "accuracy": ["75.61 %", "73.17 %", "78.05 %"],
        "cross-entropy": ["0.1234", "0.2345", "0.3456"],
        "worst class": ["“tulip”: 68.75 %", "“daisy”: 70.59 %", "“tulip”: 56.25 %"],
        "size": ["716,131 bytes", "214,477 bytes", "63,579 bytes"],
        "loading": ["n/a", "1.25 ms", "1.75 ms"],
        "latency p50": ["n/a", "2.5 ms", "6.5 ms"],
        "latency p90": ["n/a", "2.75 ms", "7.5 ms"],
        "latency p95": ["n/a", "3.25 ms", "8.5 ms"],
        "latency p99": ["n/a", "4.5 ms", "9.5 ms"],
        "peak memory": ["n/a", "5.5 MiB", "10.5 MiB"],
        "fully accelerated": ["n/a", "yes", "n/a"],
    }
    assert (
        "the eval split's 1,041 flowers, on which differences in accuracy under 0.58 points are chance; Keras"
        in text(sections["Side by side"])
    )


def test_the_accuracy_of_each_class_is_listed_and_drawn(sections: dict[str, str]) -> None:
    part = sections["Accuracy of each class"]
    assert rows(part)[1:] == [
        ["rose", "87.50 %", "75.00 %", "100.00 %"],
        ["tulip", "68.75 %", "75.00 %", "56.25 %"],
        ["daisy", "76.47 %", "70.59 %", "88.24 %"],
    ]
    [svg] = charts(part).values()
    assert all(f">{label}</text>" in svg for label in CARD.labels)
    for model in REPORT.models:
        marks = re.findall(rf'<use [^>]*x="[\d.]+" y="([\d.]+)" style="fill: var\(--{model.key}\)', svg)
        # The last one is the legend's.
        assert_drawn([float(mark) for mark in marks[:3]], model.class_accuracy)


def test_the_differences_are_told_and_drawn(sections: dict[str, str]) -> None:
    part = sections["TFLite against Keras"]
    assert facts(part) == {
        "same class": "1,037 of 1,041 flowers (99.62 %)",
        "largest difference": "0.23 of a probability",
        "mean difference": "0.0045",
    }
    [svg] = charts(part).values()
    bars = [path for path in re.findall(r'<path d="([^"]*)"[^>]*fill: var\(--tflite\)', svg) if path.count("L") == 3]
    heights = [np.ptp([float(y) for _, y in re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", bar)]) for bar in bars]
    np.testing.assert_allclose(np.array(heights) / sum(heights), np.array((1000, 34, 7)) / 1041, atol=1e-4)


def test_the_confusions_are_every_models_counts(sections: dict[str, str]) -> None:
    tables = re.findall(r"<h3[^>]*>(.*?)</h3>\s*(<table.*?</table>)", sections["Confusion"], re.DOTALL)
    found = {text(title): tuple(tuple(row[1:]) for row in rows(table)[1:]) for title, table in tables}
    assert {tuple(rows(table)[0]) for _, table in tables} == {("", *CARD.labels)}
    assert {tuple(row[0] for row in rows(table)[1:]) for _, table in tables} == {CARD.labels}
    assert found == {
        TITLES[key]: tuple(tuple(str(count) if count else "·" for count in row) for row in confusion)
        for key, confusion in CONFUSIONS.items()
    }


def test_examples_have_their_label_their_values_and_what_each_model_said(sections: dict[str, str]) -> None:
    part = sections["Flowers to look at"]
    assert (
        "The two disagree on 4 examples; both give the same wrong class to 9 examples. The 2 most telling ones:"
        in text(part)
    )
    assert text(part).count("Keras rose 61 % TFLite tulip 72 % Last daisy 83 % rose tulip daisy") == 2
    assert re.findall(r"is <strong>(\w+)</strong>", part) == ["daisy", "tulip"]
    assert rows(part) == [["petal_length", "1.5"], ["colours", "0.25, 0.5, 0.75, 1, 2, 3, 4, 5, …"]] * 2
    assert "<img" not in part


def test_no_disagreement_reads_as_one_and_a_single_one_is_no_plural() -> None:
    mistakes = REPORT.mistakes.model_copy(update={"disagreements": 0, "both_err": 1})
    page = text(pages.render(REPORT.model_copy(update={"mistakes": mistakes}))["report.html"])
    assert "The two disagree on no example; both give the same wrong class to 1 example." in page


def test_the_models_use_limits_and_licence_are_told_once(sections: dict[str, str]) -> None:
    assert facts(sections["The model"]) == {
        "task": "Flowers of a meadow",
        "intended use": "Names a flower.",
        "limits": "It knows no weeds.",
        "data licence": "CC0 As declared for the model; this run's data is from a meadow of theirs.",
    }
    page = text(pages.render(REPORT)["report.html"])
    assert [page.count(words) for words in (CARD.intended_use, CARD.limits, CARD.data_licence)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("drawn_of", "said"),
    [(None, ""), (12_345, "Of 12,345 flowers, 3 drawn at random; the other figures are of all.")],
)
def test_a_chart_of_a_sample_says_of_how_many_and_one_of_all_says_nothing(drawn_of: int | None, said: str) -> None:
    card = CARD.model_copy(update={"task": Regression(unit="cm")})
    models = tuple(
        ModelColumn(
            key=key,
            title=TITLES[key],
            mean_error=1.5,
            p95_error=3.5,
            bias=0.5,
            error_edges=(-1, 0, 1),
            error_counts=(2, 1),
            points=((1, 2), (2, 2), (3, 5)),
            points_drawn_of=drawn_of,
            size_bytes=1,
        )
        for key in ("keras", "tflite")
    )
    page = pages.render(REPORT.model_copy(update={"card": card, "models": models}))["report.html"]
    [part] = re.findall(r"<section[^>]*><h2>Predicted against true</h2>(.*?)</section>", page, re.DOTALL)
    assert text(re.sub("<svg.*</svg>", "", part, flags=re.DOTALL)) == said


def test_the_training_curves_are_the_trainers(sections: dict[str, str]) -> None:
    found = charts(sections["Training"])
    assert found.keys() == {"Training: loss", "Training: accuracy"}
    for name in ("loss", "accuracy"):
        drawn = lines(found[f"Training: {name}"], "keras", 4)
        assert_drawn(drawn, [TRAINING[name], TRAINING[f"val_{name}"]])


def test_the_runs_before_are_drawn_and_listed(sections: dict[str, str]) -> None:
    accuracy, size, latency = charts(sections["Runs up to this one"]).values()
    for part in (slice(0, 3), slice(3, 5)):
        drawn = [lines(accuracy, key, len(RUNS[part]))[0] for key in ("keras", "tflite")]
        assert_drawn(drawn, [[getattr(run, key) for run in RUNS[part]] for key in ("keras", "tflite")])
    assert_drawn(lines(size, "tflite", 5), [run.size_bytes for run in RUNS])
    assert_drawn(lines(latency, "tflite", 5), [run.latency_p50_ms for run in RUNS])
    assert rows(sections["The last runs as figures"]) == [
        ["run", "data", "Keras", "TFLite", "size", "p50", "verdict"],
        ["night 5", "span 18, window 2", "96.66 %", "95.67 %", "207,000 bytes", "0.55 ms", "refused"],
        ["night 4", "span 18, window 2", "95.55 %", "94.56 %", "209,000 bytes", "0.52 ms", "blessed"],
        ["night 3", "span 18", "92.22 %", "94.44 %", "202,000 bytes", "0.57 ms", "not judged"],
        ["night 2", "span 17", "93.33 %", "92.34 %", "203,000 bytes", "0.53 ms", "refused"],
        ["night 1", "span 17", "91.11 %", "90.12 %", "201,000 bytes", "0.51 ms", "blessed"],
    ]


def test_the_line_of_accuracies_ends_where_the_eval_set_changes_and_the_spans_are_marked(
    sections: dict[str, str],
) -> None:
    accuracy, size, _ = charts(sections["Runs up to this one"]).values()
    assert not lines(accuracy, "keras", 5) and lines(size, "tflite", 5)
    assert re.findall(r">(span [^<]*)<", accuracy) == ["span 17", "span 18, window 2"]


def test_data_parameters_and_versions_are_the_runs(sections: dict[str, str]) -> None:
    assert facts(sections["Data"]) == {
        "span": "17",
        "source": "a meadow of theirs",
        "eval": "1,041 examples",
        "train": "8,123 examples",
        "anomalies": "none",
    }
    assert facts(sections["Run parameters"]) == {"epochs": "23", "force": "true"}
    assert facts(sections["Made with"]) == {"tfx": "1.21.7", "keras": "3.9.8"}
