"""The report's figures: the one-line verdict, the file, what a later run remembers."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.report.contents import Agreement, Mistakes, ModelColumn, ReportedMeasurements
from nightlite.ondevice.report.run_report import Report, verdict
from tests.ondevice.cards import CARD


def gate(passed: bool = True, subject: str = "accuracy") -> Gate:
    return Gate(
        name="min_accuracy",
        node_id="Evaluator.mnist",
        subject=subject,
        relation=">=",
        bound=0.97,
        value=0.99 if passed else 0.9,
        passed=passed,
    )


def column(key: str, **changes: object) -> ModelColumn:
    return ModelColumn.model_validate(
        {
            "key": key,
            "title": key,
            "accuracy": 0.75,
            "loss": 0.5,
            "class_accuracy": (1.0, None, 0.5),
            "confusion": ((2, 0, 0), (0, 0, 0), (1, 0, 1)),
            "size_bytes": 10,
            **changes,
        }
    )


def report(**changes: object) -> Report:
    return Report.model_validate(
        {
            "pipeline": "p",
            "card": CARD,
            "run_id": "r",
            "created": datetime(2026, 11, 24, tzinfo=UTC),
            "blessed": True,
            "verdict": "Blessed",
            "models": (column("keras"), column("tflite", measurements=ReportedMeasurements(latency_ms={"p50": 0.2}))),
            "gates": (gate(),),
            "agreement": Agreement(
                examples=4, agreeing=3, largest_difference=0.5, mean_difference=0.1, edges=(-1, 0), counts=(4,)
            ),
            "mistakes": Mistakes(disagreements=0, both_err=0, shown=()),
            "training": {},
            "span": 1,
            "examples": {"eval": 4},
            "statistics": (),
            "anomalies": (),
            "evaluations": {},
            "versions": {},
            **changes,
        }
    )


def test_the_verdict_is_one_line_that_names_the_first_refusal() -> None:
    assert verdict(()) == (None, "Not judged: this run had no gates")
    assert verdict((gate(), gate())) == (True, "Blessed: all 2 gates passed")
    blessed, line = verdict((gate(), gate(False, "accuracy of digit 8"), gate(False)))
    assert blessed is False
    assert line == ("Refused by 2 of 3 gates: accuracy of digit 8: 0.9, expected >= 0.97 (min_accuracy), and 1 more")


def test_the_worst_class_is_one_that_the_split_has() -> None:
    assert column("keras").worst_class == (2, 0.5)


def test_it_is_read_as_it_was_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    before = report()
    before.write(tmp_path)
    assert Report.read(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_what_is_no_number_is_still_read_again(tmp_path: Path) -> None:
    report(models=(column("keras", loss=math.nan),)).write(tmp_path)
    assert math.isnan(Report.read(tmp_path).models[0].loss)
    assert "NaN" in json.loads((tmp_path / "report.json").read_text())["models"][0]["loss"]


def test_another_version_is_no_report(tmp_path: Path) -> None:
    report().write(tmp_path)
    file = tmp_path / "report.json"
    file.write_text(file.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(ValueError, match="schema_version"):
        Report.read(tmp_path)


def test_a_later_run_remembers_the_figures() -> None:
    past = report(blessed=False).as_past_run()
    assert (past.run_id, past.blessed, past.tflite) == ("r", False, 0.75)
    assert (past.size_bytes, past.latency_p50_ms) == (10, 0.2)


def test_a_report_of_a_version_without_tasks_is_read(tmp_path: Path) -> None:
    written = report()
    written.write(tmp_path)
    file = tmp_path / "report.json"
    content = json.loads(file.read_text())
    content["card"] |= {"labels": content["card"].pop("task")["labels"]}
    file.write_text(json.dumps(content))
    assert Report.read(tmp_path).card == written.card
