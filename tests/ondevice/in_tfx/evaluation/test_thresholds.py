"""Gates that are read from an evaluation: the worst slice has the name of its class."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from google.protobuf import json_format
from tfx import v1  # noqa: F401  TFMA has its types only if TFX was imported before it

from nightlite.ondevice.in_tfx.evaluation.eval_config import eval_config
from nightlite.ondevice.in_tfx.evaluation.thresholds import THRESHOLDS, evaluation_gates
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
