"""The Evaluators' gates: this pipeline's thresholds, and an evaluation's results for them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.rows import Kind, Threshold, rows_of
from nightlite.ondevice.gates.table import CHANGES, EVALUATORS
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.task import Classification, Regression, Task

_DIRECTIONS: Mapping[int, Kind] = {1: "increase", 2: "change"}  # tfma.MetricDirection, whose import takes 7 s
THRESHOLDS = (*EVALUATORS, *CHANGES)
_COUNT = "example_count"  # TFMA's ExampleCount
# TFMA's metrics of the one probability of two classes, by those of several.
_OF_SEVERAL = {"BinaryAccuracy": "SparseCategoricalAccuracy", "BinaryCrossentropy": "SparseCategoricalCrossentropy"}


def per_slice_thresholds(metric: str, run_values: Mapping[str, Any], model: OnDeviceModel) -> list[dict[str, Any]]:
    """Return a metric's `per_slice_thresholds` in proto3 JSON form. A plain `threshold` would hold for every slice."""
    forms: dict[bool, dict[str, Any]] = {}
    for threshold in rows_of(THRESHOLDS, model.task):
        if threshold.metric == _OF_SEVERAL.get(metric, metric):
            slices = {"feature_keys": [model.label_key]} if threshold.each_class else {}
            form = forms.setdefault(threshold.each_class, {"slicing_specs": [slices], "threshold": {}})
            form["threshold"].update(_form(threshold, run_values[threshold.name]))
    return list(forms.values())


def _form(threshold: Threshold, bound: Any) -> dict[str, Any]:
    """Return a part of `tfma.MetricThreshold` in proto3 JSON form. `bound` may be a RuntimeParameter."""
    if threshold.is_change:
        direction = "HIGHER_IS_BETTER" if threshold.is_least else "LOWER_IS_BETTER"
        return {"change_threshold": {"direction": direction, "absolute": bound}}
    return {"value_threshold": {threshold.kind: bound}}


def evaluation_gates(uri: str, node_id: str) -> tuple[Gate, ...]:
    """Return every threshold of an evaluation, passed ones too. A sliced one has the value of its worst slice.

    Args:
      uri: folder of a ModelEvaluation artifact.
      node_id: the Evaluator's.

    Returns:
      No gates if the Evaluator had no threshold. Without a baseline there is no gate on a change.
    """
    import tensorflow_model_analysis as tfma  # 7 s, and only an Evaluator's outputs need it

    config = tfma.load_eval_result(uri).config
    metrics, task = list(_metrics(uri)), _task(config)
    gates = [_gate(bound, metrics, node_id, task) for spec in config.metrics_specs for bound in _bounds(spec)]
    if gates and all(gate.passed for gate in gates) and not tfma.load_validation_result(uri).validation_ok:
        # A form of threshold that is not read here: relative changes, missing slices.
        gates.append(_failed_otherwise(node_id))
    return tuple(gates)


def unit_of(uri: str) -> str:
    """Return the unit of a regression's errors in an evaluation, "" if there is none."""
    import tensorflow_model_analysis as tfma

    task = _task(tfma.load_eval_result(uri).config)
    return task.unit if task else ""


def overall_metrics(uri: str) -> dict[str, float]:
    """Return the candidate's plain numeric metrics over all examples, by TFMA's names."""
    return {item.name: item.value for item in _metrics(uri) if not item.slice and not item.is_diff}


@dataclass(frozen=True)
class _Metric:
    """A candidate's metric of one slice. `slice` is () overall, else (feature, value) pairs. `is_diff`: its change."""

    name: str
    slice: tuple[tuple[str, Any], ...]
    is_diff: bool
    value: float


def _metrics(uri: str) -> Iterator[_Metric]:
    import tensorflow_model_analysis as tfma

    for by_slice in tfma.load_metrics(uri):
        parts = by_slice.slice_key.single_slice_keys
        where = tuple((part.column, getattr(part, part.WhichOneof("kind"))) for part in parts)
        for item in by_slice.metric_keys_and_values:
            key = item.key
            if item.value.HasField("double_value") and not key.HasField("sub_key") and key.model_name != "baseline":
                yield _Metric(key.name, where, key.is_diff, item.value.double_value.value)


def _task(config: Any) -> Task | None:
    """Return the task, which this pipeline's own metrics are given. Another pipeline has none."""
    # By their names, for their modules import TFMA.
    declares: dict[str, type[Classification] | type[Regression]] = {
        "ClassMetrics": Classification,
        "ErrorMetrics": Regression,
    }
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            if kind := declares.get(metric.class_name):
                return kind.model_validate_json(metric.config)
    return None


def _bounds(spec: Any) -> Iterator[tuple[str, Kind, str, float]]:
    """Yield (metric's class, kind, sliced by, bound) of a `tfma.MetricsSpec`'s thresholds."""
    for metric in spec.metrics:
        for item in metric.per_slice_thresholds:
            by = ",".join(item.slicing_specs[0].feature_keys) if item.slicing_specs else ""
            yield from _kinds(metric.class_name, by, item.threshold)
        yield from _kinds(metric.class_name, "", metric.threshold)


def _kinds(metric: str, by: str, threshold: Any) -> Iterator[tuple[str, Kind, str, float]]:
    value, change = threshold.value_threshold, threshold.change_threshold
    if value.HasField("lower_bound"):
        yield metric, "lower_bound", by, value.lower_bound.value
    if value.HasField("upper_bound"):
        yield metric, "upper_bound", by, value.upper_bound.value
    if change.HasField("absolute") and change.direction in _DIRECTIONS:
        yield metric, _DIRECTIONS[change.direction], by, change.absolute.value


def _gate(bound: tuple[str, Kind, str, float], metrics: list[_Metric], node_id: str, task: Task | None) -> Gate:
    metric, kind, by, limit = bound
    rows = rows_of(THRESHOLDS, task) if task else THRESHOLDS
    known = {(item.metric, item.kind, item.each_class): item for item in rows}
    other = Threshold(f"{metric}.{kind}", limit, (limit, limit), "", metric, metric, kind)
    row = known.get((_OF_SEVERAL.get(metric, metric), kind, bool(by)), other)
    found = [
        (item.value, item.slice)
        for item in metrics
        if item.name.replace("_", "") == metric.lower()
        and item.is_diff == row.is_change
        and ",".join(name for name, _ in item.slice) == by
    ]
    worst = (min if row.is_least else max)(found, default=None)
    where = (
        f', "{_named(worst[1][0][1], task.labels if task else ())}"{_count(metrics, worst[1])}' if worst and by else ""
    )
    return row.judge({row.name: limit}, worst[0] if worst else None, node_id, row.subject + where)


def _count(metrics: list[_Metric], of_slice: tuple[tuple[str, Any], ...]) -> str:
    """Return the number of a slice's examples in words, "" if the evaluation did not count them."""
    counts = [item.value for item in metrics if (item.name, item.slice) == (_COUNT, of_slice) and not item.is_diff]
    return f" ({counts[0]:,.0f} example{'' if counts[0] == 1 else 's'})" if counts else ""


def _named(label: Any, labels: Sequence[str]) -> Any:
    return labels[label] if isinstance(label, int) and 0 <= label < len(labels) else label


def _failed_otherwise(node_id: str) -> Gate:
    return Gate(
        name="validation", node_id=node_id, subject="TFMA's validation", relation=">=", bound=1, value=0, passed=False
    )
