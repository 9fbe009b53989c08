"""A run's decisions and figures from its nodes' results, however far it came."""

from nightlite.ondevice.results.run_summary import ModelMetrics, RunSummary, summarize
from nightlite.runner.node_result import NodeResult
from tests.results import node_result


def _result(node_id: str, **fields: object) -> dict[str, NodeResult]:
    return {node_id: node_result(node_id, **fields)}


def test_a_run_that_did_not_come_to_an_evaluation_has_no_verdict() -> None:
    summary = summarize(_result("Trainer.mnist", model_bytes=7))
    assert summary == RunSummary(keras=ModelMetrics(bytes=7))
    assert "did not come to its gates" in summary.blessed_why


def test_refusals_are_the_reason() -> None:
    judge = _result("EdgeValidator", blessed=False, refusals=["a: 1", "b: 2"])
    evaluator = _result("Evaluator.mnist_lite", blessed=True, metrics={"loss": 1.0})
    summary = summarize({**evaluator, **judge, **_result("Pusher.mnist_lite", pushed=False)})
    assert (summary.blessed, summary.blessed_why, summary.pushed) == (False, "a: 1; b: 2", None)
    assert summary.tflite == ModelMetrics()


def test_a_pushed_model_has_both_models_figures() -> None:
    summary = summarize(
        {
            **_result("Trainer.mnist_lite", model_bytes=3),
            **_result("Evaluator.mnist", metrics={"sparse_categorical_accuracy": 0.5}, blessed=True),
            **_result("Evaluator.mnist_lite", metrics={"sparse_categorical_accuracy": 0.25}, blessed=True),
            **_result("EdgeValidator", blessed=True),
            **_result("Pusher.mnist_lite", pushed=True, pushed_to="somewhere"),
        }
    )
    assert (summary.keras.accuracy, summary.tflite) == (0.5, ModelMetrics(accuracy=0.25, bytes=3))
    assert (summary.blessed, summary.blessed_why, summary.pushed) == (True, "every gate was passed", "somewhere")


def test_a_model_that_is_released_already_is_told_with_its_release() -> None:
    why = "nothing new: release 3 is this very file already"
    summary = summarize(_result("Pusher.mnist_lite", pushed=False, pushed_to="/pushed/3", reason=why))
    assert (summary.pushed, summary.pushed_why) == ("/pushed/3", why)
