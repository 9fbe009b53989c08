"""Gates that are read from an evaluation: the worst slice has the name of its class."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from google.protobuf import json_format
from tfx import v1  # noqa: F401  TFMA has its types only if TFX was imported before it

from nightlite.ondevice.in_tfx.evaluation.eval_config import eval_config
from nightlite.ondevice.in_tfx.evaluation.thresholds import THRESHOLDS, evaluation_gates, overall_metrics, unit_of
from nightlite.ondevice.model import OnDeviceModel
from tests.small_models.glucose import MODEL as GLUCOSE
from tests.small_models.tumour import MODEL as TUMOUR
from tests.tiny_table.on_device import MODEL

RIGHT = np.eye(3)[[0, 0, 1, 1, 2, 2]]
BOUNDS = {row.name: 0.5 for row in THRESHOLDS}


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an evaluation in which two of three species are read right."""
    import tensorflow_model_analysis as tfma

    form = eval_config(MODEL, tfma.ModelSpec(prediction_key="prediction"), {**BOUNDS, "max_loss": 100.0})
    for metric in form["metrics_specs"][0]["metrics"]:
        for sliced in metric.get("per_slice_thresholds", ()):
            sliced["threshold"].pop("change_threshold", None)  # there is no baseline
    config = json_format.Parse(json.dumps(form), tfma.EvalConfig())
    answers = RIGHT * 0.9 + 0.03
    answers[2] = answers[0]
    frame = pd.DataFrame({MODEL.label_key: RIGHT.argmax(axis=1), "prediction": answers.tolist()})
    folder: Path = tmp_path_factory.mktemp("evaluation")
    tfma.analyze_raw_data(frame, config, output_path=str(folder))
    return str(folder)


def test_the_worst_class_is_named_as_the_model_names_it_with_the_count_of_its_examples(evaluation: str) -> None:
    found = {gate.name: gate for gate in evaluation_gates(evaluation, "E")}
    worst = found["min_class_accuracy"]
    assert worst.subject == 'accuracy of the worst class, "versicolor" (2 examples)'
    assert (worst.value, worst.passed) == (0.5, True)
    assert found["min_accuracy"].subject == "accuracy" and found["min_accuracy"].value == pytest.approx(5 / 6)


def evaluated(model: OnDeviceModel, labels: np.ndarray, predictions: list[float], bound: float, folder: Path) -> str:
    """Return an evaluation of one output an example, each bound the same."""
    import tensorflow_model_analysis as tfma

    form = eval_config(model, tfma.ModelSpec(prediction_key="prediction"), {row.name: bound for row in THRESHOLDS})
    for metric in form["metrics_specs"][0]["metrics"]:
        for sliced in metric.get("per_slice_thresholds", ()):
            sliced["threshold"].pop("change_threshold", None)  # there is no baseline
    frame = pd.DataFrame({model.label_key: labels, "prediction": predictions})
    tfma.analyze_raw_data(frame, json_format.Parse(json.dumps(form), tfma.EvalConfig()), output_path=str(folder))
    return str(folder)


def test_one_probability_of_two_classes_has_the_gates_of_several(tmp_path: Path) -> None:
    labels, probabilities = np.array([0, 0, 0, 0, 1, 1]), [0.0, 0.2, 0.5, 0.9, 0.6, 1.0]
    uri = evaluated(TUMOUR, labels, probabilities, 0.8, tmp_path)
    found = {gate.name: gate for gate in evaluation_gates(uri, "E")}
    assert found["min_accuracy"].value == pytest.approx(5 / 6)  # of 0.5, the first class is the answer
    worst = found["min_class_accuracy"]
    assert (worst.subject, worst.passed) == ('accuracy of the worst class, "malignant" (4 examples)', False)
    assert worst.value == pytest.approx(0.75)
    right = np.clip([1.0, 0.8, 0.5, 0.1, 0.6, 1.0], 1e-7, 1)
    assert found["max_loss"].value == pytest.approx(-np.log(right).mean(), rel=1e-3)


def test_a_regression_has_its_mean_absolute_error_in_the_unit_of_its_label(tmp_path: Path) -> None:
    uri = evaluated(GLUCOSE, np.array([1.0, 2.0, 3.0, 4.0], np.float32), [1.5, 1.0, 3.0, 6.0], 0.5, tmp_path)
    [gate] = evaluation_gates(uri, "E")
    assert str(gate) == "mean absolute error: 0.875 points, expected <= 0.5 points (max_mean_error)" and not gate.passed
    metrics = overall_metrics(uri)
    assert (metrics["bias"], metrics["largest_error"], unit_of(uri)) == (0.375, 2, "points")


def test_a_regressions_change_is_an_increase_that_is_bounded() -> None:
    import tensorflow_model_analysis as tfma

    form = eval_config(GLUCOSE, tfma.ModelSpec(), {row.name: 2.0 for row in THRESHOLDS})
    [bounded] = [metric for metric in form["metrics_specs"][0]["metrics"] if "per_slice_thresholds" in metric]
    [sliced] = bounded["per_slice_thresholds"]
    assert sliced["threshold"] == {
        "value_threshold": {"upper_bound": 2.0},
        "change_threshold": {"direction": "LOWER_IS_BETTER", "absolute": 2.0},
    }
    assert form["slicing_specs"] == [{}]
