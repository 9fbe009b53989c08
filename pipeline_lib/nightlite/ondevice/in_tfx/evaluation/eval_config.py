"""Metrics and thresholds of both Evaluators."""

import json
from collections.abc import Mapping
from typing import Any

import tensorflow_model_analysis as tfma
from google.protobuf import json_format

from nightlite.ondevice.in_tfx.evaluation.class_metrics import ClassMetrics
from nightlite.ondevice.in_tfx.evaluation.thresholds import per_slice_thresholds
from nightlite.ondevice.model import OnDeviceModel
from nightlite.runner.in_tfx.run_parameters import RunValue

_TFMA_METRICS = (
    "ExampleCount",
    "SparseCategoricalCrossentropy",
    "SparseCategoricalAccuracy",
    "MultiClassConfusionMatrixAtThresholds",
)


def eval_config(model: OnDeviceModel, model_spec: tfma.ModelSpec, run_values: Mapping[str, RunValue]) -> dict[str, Any]:
    """Return the same metrics, slices and gates for either model, so that two evaluations can be compared.

    Args:
      model: has the label and its classes.
      model_spec: how TFMA loads the model and finds the label.
      run_values: the bounds, by the names of `RunParams` that `evaluation.thresholds.THRESHOLDS` lists.

    Returns:
      A `tfma.EvalConfig` in proto3 JSON form, in which TFX allows a run parameter.
    """
    model_spec.label_key = model.label_key
    of_each_class = tfma.MetricConfig(
        class_name=ClassMetrics.__name__,
        module=ClassMetrics.__module__,
        config=json.dumps({"labels": model.labels}),
    )
    config = tfma.EvalConfig(
        model_specs=[model_spec],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[model.label_key])],
        metrics_specs=[
            tfma.MetricsSpec(metrics=[*(tfma.MetricConfig(class_name=name) for name in _TFMA_METRICS), of_each_class]),
        ],
    )
    form: dict[str, Any] = json_format.MessageToDict(config, preserving_proto_field_name=True)
    for metric in form["metrics_specs"][0]["metrics"]:
        if thresholds := per_slice_thresholds(metric["class_name"], run_values, model.label_key):
            metric["per_slice_thresholds"] = thresholds
    return form
