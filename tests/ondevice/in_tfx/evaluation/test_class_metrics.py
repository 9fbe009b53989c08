"""Precision, recall and calibration of each class against scikit-learn's, whatever the parts that they are made of."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from nightlite.ondevice.in_tfx.evaluation.class_metrics import BINS, ClassMetrics

CLASSES = 4
_RANDOM = np.random.default_rng(0)
LABELS = _RANDOM.integers(0, CLASSES - 1, 300)  # of the last class there is none
PROBABILITIES = _RANDOM.dirichlet([0.4] * CLASSES, 300)


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, int | None], float]:
    config = config_pb2.EvalConfig(model_specs=[config_pb2.ModelSpec()])
    [computation] = ClassMetrics("abcd").computations(eval_config=config, model_names=[""], output_names=[""])
    combiner = computation.combiner
    parts = []
    for numbers in np.array_split(np.arange(300), 7):
        part = combiner.create_accumulator()
        for number in numbers:
            inputs = metric_types.StandardMetricInputs(
                labels=LABELS[[number]], predictions=PROBABILITIES[number], example_weights=np.array([1.0])
            )
            part = combiner.add_input(part, inputs)
        parts.append(part)
    output = combiner.extract_output(combiner.merge_accumulators(parts))
    assert set(output) == set(computation.keys)
    return {(key.name, key.sub_key.class_id if key.sub_key else None): value for key, value in output.items()}


def test_precision_and_recall_are_scikit_learns(found: dict[tuple[str, int | None], float]) -> None:
    chosen = PROBABILITIES.argmax(axis=1)
    for name, score in (("precision", precision_score), ("recall", recall_score)):
        expected = score(LABELS, chosen, labels=range(CLASSES), average=None, zero_division=np.nan)
        np.testing.assert_allclose([found[name, class_id] for class_id in range(CLASSES)], expected)


def test_calibration_is_the_sum_of_probabilities_over_the_number_of_examples(
    found: dict[tuple[str, int | None], float],
) -> None:
    for class_id in range(CLASSES - 1):
        expected = PROBABILITIES[:, class_id].sum() / np.sum(class_id == LABELS)
        assert found["calibration", class_id] == pytest.approx(expected)
    assert np.isnan(found["calibration", CLASSES - 1])


def test_expected_calibration_error_is_that_of_its_bins(found: dict[tuple[str, int | None], float]) -> None:
    share, right = PROBABILITIES.max(axis=1), PROBABILITIES.argmax(axis=1) == LABELS
    bins = np.digitize(share, np.linspace(0, 1, BINS + 1)[1:-1])
    expected = sum(
        np.mean(bins == number) * abs(right[bins == number].mean() - share[bins == number].mean())
        for number in set(bins.tolist())
    )
    assert found["expected_calibration_error", None] == pytest.approx(expected)
