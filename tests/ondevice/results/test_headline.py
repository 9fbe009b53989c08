"""A run's outcome in one line."""

import pytest

from nightlite.ondevice.results.headline import headline, quality_and_size
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.quality import Quality, name_of, quality_in
from nightlite.runner.node_result import NodeResult
from tests.results import node_result, with_facts

ACCURACY = {"sparse_categorical_accuracy": 0.99166}
TRAINER = NodeResult(node_id="Trainer.mnist_lite", run_id="r", state="cached", facts={"model_bytes": 214_476})
EVALUATOR = NodeResult(
    node_id="Evaluator.mnist_lite", run_id="r", state="succeeded", blessed=True, facts={"metrics": ACCURACY}
)
GATE = "E: accuracy: 0.9, expected >= 0.97 (min_accuracy)"


def of(*results: NodeResult, failed: tuple[str, ...] | None = None) -> str:
    return headline({result.node_id: result for result in results}, failed)


def pusher(**facts: object) -> NodeResult:
    return node_result("Pusher.mnist_lite", **facts)


def test_a_release_with_its_figures() -> None:
    assert (
        of(TRAINER, EVALUATOR, pusher(pushed=True, outcome="released", pushed_version="7"))
        == "released 7: 99.17 %, 209.4 KiB"
    )
    assert of(pusher(pushed=True, outcome="released", pushed_version="7")) == "released 7"


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.released, Outcome.refused, Outcome.failed}))
def test_what_was_not_pushed_says_why(outcome: Outcome) -> None:
    assert of(EVALUATOR, pusher(pushed=False, outcome=outcome, reason="released 7: not this one")) == (
        "released 7: not this one"
    )
    assert of(EVALUATOR, pusher(pushed=False, outcome=outcome)) == outcome.words


def test_a_refusal_names_the_first_gate_and_counts_the_rest() -> None:
    refused = with_facts(EVALUATOR, refusals=[GATE]).model_copy(update={"blessed": False})
    edge = with_facts(refused, refusals=[GATE, "another", "a third"]).model_copy(update={"node_id": "EdgeValidator"})
    skipped = pusher(pushed=False, outcome="refused", reason="not pushed: the model is not blessed")
    assert of(refused, edge, skipped) == f"refused: {GATE}; and 2 more"
    assert of(refused, skipped) == f"refused: {GATE}"
    assert of(EVALUATOR.model_copy(update={"blessed": False})) == "refused: the model is not blessed"


def test_a_refusal_of_the_pusher_alone_says_its_reason() -> None:
    judge = EVALUATOR.model_copy(update={"node_id": "EdgeValidator"})
    assert of(judge, pusher(pushed=False, outcome="refused", reason="refused: another contract")) == (
        "refused: another contract"
    )


def test_a_failure_names_the_node_and_its_reason_and_stays_one_short_line() -> None:
    gate = NodeResult(node_id="DataGate", run_id="r", state="failed", reason="DataError: 3 anomalies\n" + "x" * 500)
    line = of(gate, failed=("DataGate", "Other"))
    assert line.startswith("failed: DataGate: DataError: 3 anomalies xxx") and line.endswith("…") and len(line) == 200
    assert of(failed=("Trainer.mnist",)) == "failed: Trainer.mnist"
    pushed = pusher(pushed=True, outcome="released", pushed_version="7")
    assert (of(pushed, failed=()), of(pushed, failed=("ModelReport",))) == ("failed", "failed: ModelReport")


def test_a_run_that_pushes_nothing_at_all() -> None:
    assert of(TRAINER) == "done"


def test_figures_leave_out_what_is_not_known() -> None:
    known = [(Quality(), None), (Quality(accuracy=1.0), None), (Quality(), 1024)]
    assert [quality_and_size(*pair) for pair in known] == ["", "100.00 %", "1.0 KiB"]


def test_a_regressions_figure_is_its_mean_error_in_the_unit_of_the_label() -> None:
    evaluator = with_facts(EVALUATOR, metrics={"mean_absolute_error": 42.1234, "bias": 1.0}, unit="mg/dl")
    released = pusher(pushed=True, outcome="released", pushed_version="7")
    assert of(TRAINER, evaluator, released) == "released 7: MAE 42.12 mg/dl, 209.4 KiB"
    figure = quality_in({"mean_absolute_error": 0.5}).figure
    assert figure and (figure.name, figure.text, figure.brief) == ("mean error", "0.5", "MAE 0.5")
    assert Quality(mean_error=23456.7, unit="EUR").text == "23,457 EUR"


def test_a_column_of_releases_is_named_after_the_newest_ones_figure() -> None:
    known = [Quality(), Quality(mean_error=1.0), Quality(accuracy=0.9)]
    assert (name_of(known), name_of([])) == ("mean error", "quality")


def test_every_outcome_has_its_row() -> None:
    assert {outcome.exit_code for outcome in Outcome if outcome.is_refusal} == {3}
    assert [outcome for outcome in Outcome if outcome.exit_code == 0] == ["released", "nothing_new", "dry_run"]
    assert (Outcome.released.event, Outcome.released.mark) == ("pushed", "good")
    assert (Outcome.failed.event, Outcome.failed.exit_code, Outcome.failed.mark) == ("failed", 1, "bad")
    assert all(outcome.words for outcome in Outcome)
