"""Metrics and thresholds of both Evaluators."""

import json
from collections.abc import Mapping
from typing import Any

import tensorflow_model_analysis as tfma
from google.protobuf import json_format

from nightlite.ondevice.in_tfx.evaluation.class_metrics import ClassMetrics
from nightlite.ondevice.in_tfx.evaluation.error_metrics import ErrorMetrics
from nightlite.ondevice.in_tfx.evaluation.thresholds import per_slice_thresholds
from nightlite.ondevice.model import OnDeviceModel
from nightlite.runner.in_tfx.run_parameters import RunValue

_OF_CLASSES = (
    "ExampleCount",
    "SparseCategoricalCrossentropy",
    "SparseCategoricalAccuracy",
    "MultiClassConfusionMatrixAtThresholds",
)
_OF_ONE_PROBABILITY = ("ExampleCount", "BinaryCrossentropy", "BinaryAccuracy")
_OF_NUMBERS = ("ExampleCount", "MeanAbsoluteError", "MeanSquaredError")


def eval_config(model: OnDeviceModel, model_spec: tfma.ModelSpec, run_values: Mapping[str, RunValue]) -> dict[str, Any]:
    """Return the same metrics, slices and gates for either model, so that two evaluations can be compared.

    Args:
      model: has the label and the task.
      model_spec: how TFMA loads the model and finds the label.
      run_values: the bounds, by the names of `RunParams` that `evaluation.thresholds.THRESHOLDS` lists.

    Returns:
      A `tfma.EvalConfig` in proto3 JSON form, in which TFX allows a run parameter.
    """
    model_spec.label_key = model.label_key
    # Of a regression's labels, hardly two are equal: slices by them would tell nothing.
    of_each_class = [tfma.SlicingSpec(feature_keys=[model.label_key])] if model.labels else []
    config = tfma.EvalConfig(
        model_specs=[model_spec],
        slicing_specs=[tfma.SlicingSpec(), *of_each_class],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[*(tfma.MetricConfig(class_name=name) for name in _tfmas_own(model)), _our_own(model)]
            )
        ],
    )
    form: dict[str, Any] = json_format.MessageToDict(config, preserving_proto_field_name=True)
    for metric in form["metrics_specs"][0]["metrics"]:
        if thresholds := per_slice_thresholds(metric["class_name"], run_values, model):
            metric["per_slice_thresholds"] = thresholds
    return form


def _tfmas_own(model: OnDeviceModel) -> tuple[str, ...]:
    if not model.labels:
        return _OF_NUMBERS
    return _OF_ONE_PROBABILITY if model.output.shape[-1] == 1 else _OF_CLASSES


def _our_own(model: OnDeviceModel) -> tfma.MetricConfig:
    """Return the metric that tells readers of an evaluation what the model declares of its task."""
    metric, declared = (
        (ClassMetrics, {"labels": model.labels}) if model.labels else (ErrorMetrics, {"unit": model.task.unit})
    )
    return tfma.MetricConfig(class_name=metric.__name__, module=metric.__module__, config=json.dumps(declared))
