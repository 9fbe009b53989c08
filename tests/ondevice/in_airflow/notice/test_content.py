"""The content of a notice, from a run's tasks, their states and results alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nightlite.ondevice.approval import Approval, refusal
from nightlite.ondevice.in_airflow.notice.content import finished
from nightlite.ondevice.in_airflow.notice.message import FileMetrics, Notice
from nightlite.ondevice.report.contents import ModelColumn, ReportedMeasurements
from nightlite.ondevice.report_files import REPORT_NODE, REPORT_PAGE, REPORT_TYPE
from nightlite.ondevice.results.run_summary import JUDGE_NODE
from nightlite.runner.node_result import NodeResult, OutputArtifact
from tests.names import PUSHER
from tests.ondevice.report.test_run_report import column, report
from tests.results import node_result

AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
RUN_URL = "/dags/mnist_tflite/runs/r"


def node(node_id: str, **facts: object) -> NodeResult:
    return node_result(node_id, **{"state": "succeeded", **facts})


TRAINER = node("Trainer.mnist_lite", model_bytes=1000)
EVALUATOR = node("Evaluator.mnist_lite", metrics={"sparse_categorical_accuracy": 0.75})
BLESSED = node(JUDGE_NODE, blessed=True)


def told(*results: NodeResult, **states: str) -> list[Notice]:
    by_id = {result.node_id: result for result in results}
    ended = {task: "skipped" if result.state == "skipped" else "success" for task, result in by_id.items()}
    return finished("mnist_tflite", "r", ended | states, by_id)


def not_pushed(reason: str | None, **facts: object) -> NodeResult:
    return node(PUSHER, state="skipped", pushed=False, reason=reason, **facts)


def rejected(decision: str, user: str | None) -> str:
    reason = refusal(True, Approval.model_validate({"decision": decision, "user": user, "at": AT}))
    assert reason
    return reason


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("not_approved", rejected("rejected", "ann")),
        ("not_approved", rejected("timed out", None)),
        ("older_data", "older data: span 5, and release 1 has span 6; span=5 would release it"),
        ("rolled_back", "not pushed: ann rolled back from this very file (it mistakes sevens)"),
    ],
)
def test_a_blessed_model_that_was_kept_back_is_told_as_refused_with_the_reason(outcome: str, reason: str) -> None:
    [notice] = told(BLESSED, not_pushed(reason, outcome=outcome))
    assert (notice.event, notice.headline, notice.release) == ("refused", reason, None)
    [why] = notice.reasons
    assert why.text == reason and (why.url or "").endswith(f"{RUN_URL}/tasks/{PUSHER}")


@pytest.mark.parametrize(
    "pusher",
    [
        not_pushed("nothing new: release 3 is this very file already", pushed_version="3", outcome="nothing_new"),
        not_pushed("dry run: release 4 would have been made", outcome="dry_run"),
        not_pushed("no detectable difference from release 3 on the same data (7 won, 4 lost)", outcome="no_better"),
    ],
)
def test_the_very_same_file_and_a_dry_run_are_nothing_new(pusher: NodeResult) -> None:
    [notice] = told(BLESSED, pusher)
    assert (notice.event, notice.headline, notice.reasons) == ("nothing_new", pusher.reason, ())


def test_a_gates_refusal_is_told_by_the_gate_not_by_the_pusher() -> None:
    gate = "EdgeValidator: size: 700 KiB, expected <= 600 (max_size_kib)"
    judge = node(JUDGE_NODE, blessed=False, refusals=[gate])
    [notice] = told(judge, not_pushed("not pushed: the model is not blessed", outcome="refused"))
    assert (notice.event, notice.headline) == ("refused", "1 gate not passed, nothing was pushed")
    assert [reason.text for reason in notice.reasons] == [gate]


def test_a_pusher_below_a_condition_that_is_false_is_told_as_skipped() -> None:
    [notice] = told(node(PUSHER, state="skipped", reason="its condition is false"))
    assert (notice.event, notice.headline) == ("refused", f"{PUSHER} skipped, nothing was pushed")
    assert [reason.text for reason in notice.reasons] == [f"{PUSHER}: its condition is false"]


@pytest.fixture
def reported(tmp_path: Path) -> Callable[..., NodeResult]:
    """Return the result of a ModelReport over these models."""

    def make(*models: ModelColumn) -> NodeResult:
        folder = tmp_path / "report"
        folder.mkdir()
        report(models=models).write(folder)
        artifact = OutputArtifact(id=1, type=REPORT_TYPE, uri=str(folder))
        return node(REPORT_NODE, outputs={"report": [artifact]}, report=str(folder / REPORT_PAGE))

    return make


def test_a_push_is_told_with_both_models_figures_and_the_report(reported: Callable[..., NodeResult]) -> None:
    models = (
        column("tflite", accuracy=0.9, measurements=ReportedMeasurements(latency_ms={"p50": 0.2})),
        column("released", accuracy=0.8, size_bytes=20, measurements=ReportedMeasurements(latency_ms={"p50": 0.3})),
    )
    [notice] = told(BLESSED, node(PUSHER, pushed=True, outcome="released", pushed_version="7"), reported(*models))
    assert (notice.event, notice.release) == ("pushed", 7)
    assert notice.model == FileMetrics(accuracy=0.9, size_bytes=10, latency_ms=0.2)
    assert notice.last_release == FileMetrics(accuracy=0.8, size_bytes=20, latency_ms=0.3)
    assert (notice.report_url or "").endswith(f"{RUN_URL}/plugin/model-report")


def test_the_first_push_has_no_last_release(reported: Callable[..., NodeResult]) -> None:
    [notice] = told(
        BLESSED, node(PUSHER, pushed=True, outcome="released", pushed_version="1"), reported(column("tflite"))
    )
    assert notice.last_release is None and notice.report_url


def test_a_failure_without_a_report_is_told_with_the_nodes_own_figures() -> None:
    [notice] = told(TRAINER, EVALUATOR, **{JUDGE_NODE: "failed"})
    assert (notice.event, notice.report_url, notice.last_release) == ("failed", None, None)
    assert notice.model == FileMetrics(accuracy=0.75, size_bytes=1000)
    assert "accuracy: 75.00 %\nsize: 1,000 bytes\n" in notice.text()


def test_refused_data_is_told_with_the_address_of_its_page() -> None:
    [notice] = told(node("DataGate", state="failed", reason="3 anomalies", report="/x/report.html"), DataGate="failed")
    assert (notice.event, notice.model) == ("failed", FileMetrics())
    assert (notice.report_url or "").endswith(f"{RUN_URL}/plugin/model-report")


def test_a_regression_is_told_by_its_mean_error_in_the_unit_of_the_label() -> None:
    evaluator = node("Evaluator.glucose_lite", metrics={"mean_absolute_error": 42.1234}, unit="mg/dl")
    [notice] = told(
        evaluator, BLESSED, node("Pusher.glucose_lite", pushed=True, pushed_version="3", outcome="released")
    )
    assert notice.model == FileMetrics(mean_error=42.1234, unit="mg/dl")
    assert "mean error: 42.12 mg/dl" in notice.text() and "accuracy" not in notice.text()
