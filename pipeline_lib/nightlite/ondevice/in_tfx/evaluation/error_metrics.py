"""Bias and largest error of a regression in one pass over the examples, as a TFMA metric."""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

_NAMES = ("bias", "largest_error")
_Sums = tuple[float, float, float]


class ErrorMetrics(tfma.metrics.Metric):
    """Metrics `bias`, the mean of prediction less label, and `largest_error`. A value without examples is NaN.

    Args:
      unit: of the label, for readers of the evaluation.
    """

    def __init__(self, unit: str, name: str = "error_metrics") -> None:
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name, unit=unit)


def _computations(
    unit: str,
    name: str,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
) -> metric_types.MetricComputations:
    keys = [metric_types.MetricKey(metric, model_name=model_name, output_name=output_name) for metric in _NAMES]
    return [metric_types.MetricComputation(keys=keys, preprocessors=None, combiner=_Errors(keys, eval_config))]


class _Errors(beam.CombineFn):
    """Accumulator of the number of examples, the sum of their errors, and the largest absolute one."""

    def __init__(self, keys: list[Any], eval_config: config_pb2.EvalConfig | None) -> None:
        self._keys, self._eval_config = keys, eval_config

    def create_accumulator(self) -> _Sums:
        return 0.0, 0.0, 0.0

    def add_input(self, accumulator: _Sums, element: metric_types.StandardMetricInputs) -> _Sums:
        key = self._keys[0]
        for label, prediction, _ in metric_util.to_label_prediction_example_weight(
            element, self._eval_config, key.model_name, key.output_name, flatten=False
        ):
            error = float(np.asarray(prediction).item()) - float(np.asarray(label).item())
            accumulator = self.merge_accumulators([accumulator, (1.0, error, abs(error))])
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Sums]) -> _Sums:
        counts, sums, largest = zip(*accumulators, strict=True)
        return sum(counts), sum(sums), max(largest)

    def extract_output(self, accumulator: _Sums) -> dict[Any, float]:
        count, total, largest = accumulator
        values = (total / count, largest) if count else (np.nan, np.nan)
        return dict(zip(self._keys, values, strict=True))
