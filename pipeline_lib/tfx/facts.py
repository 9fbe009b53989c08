"""What a node's outputs say, read once here so that nobody else must load TFX to know: verdicts, metrics, sizes."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2

Artifact: TypeAlias = metadata_store_pb2.Artifact


def facts_of(outputs: Iterable[tuple[str, Artifact]]) -> dict[str, Any]:
    """Fields of NodeResult that (type name, artifact) pairs fill."""
    facts: dict[str, Any] = {}
    for type_name, artifact in outputs:
        if reader := _READERS.get(type_name):
            facts.update(reader(artifact))
    return facts


def _model(artifact: Artifact) -> dict[str, Any]:
    files = (Path(artifact.uri) / "Format-Serving").rglob("*")
    return {"model_bytes": sum(file.stat().st_size for file in files if file.is_file())}


def _blessing(artifact: Artifact) -> dict[str, Any]:
    return {"blessed": bool(artifact.custom_properties["blessed"].int_value)}


def _infra_blessing(artifact: Artifact) -> dict[str, Any]:
    return {"blessed": artifact.custom_properties["blessing_status"].string_value == "INFRA_BLESSED"}


def _pushed(artifact: Artifact) -> dict[str, Any]:
    properties = artifact.custom_properties
    facts: dict[str, Any] = {"pushed": bool(properties["pushed"].int_value)}
    for field, name in (("pushed_version", "pushed_version"), ("pushed_to", "pushed_destination")):
        facts[field] = properties[name].string_value or None
    # Of the executor of ours only; TFX's own has but one reason not to push.
    facts["pushed_sha256"] = properties["sha256"].string_value or None
    facts["reason"] = properties["reason"].string_value or None
    if properties["metrics"].string_value:
        facts["metrics"] = json.loads(properties["metrics"].string_value)
    return facts


def _evaluation(artifact: Artifact) -> dict[str, Any]:
    import tensorflow_model_analysis as tfma  # 7 s, and only an Evaluator's outputs need it

    facts: dict[str, Any] = {"metrics": overall_metrics(artifact.uri)}
    if any(Path(artifact.uri).glob("validations*")):  # none without a threshold
        validation = tfma.load_validation_result(artifact.uri)
        facts["refusals"] = [
            _refusal(by_slice.slice_key, failure)
            for by_slice in validation.metric_validations_per_slice
            for failure in by_slice.failures
        ]
    return facts


def overall_metrics(evaluation_uri: str) -> dict[str, float]:
    """An Evaluator's metrics of the overall slice, by name; those that are one number."""
    import tensorflow_model_analysis as tfma

    metrics = tfma.load_eval_result(evaluation_uri).get_metrics_for_all_slices()
    return {name: value["doubleValue"] for name, value in metrics[()].items() if "doubleValue" in value}


def _refusal(slice_key: Any, failure: Any) -> str:
    """One failed threshold in words (tfma.proto.validation_result_pb2.ValidationFailure)."""
    where = ", ".join(f"{part.column} {getattr(part, part.WhichOneof('kind'))}" for part in slice_key.single_slice_keys)
    value, threshold = failure.metric_threshold.value_threshold, failure.metric_threshold.change_threshold
    bounds = [
        f"{sign} {getattr(kind, name).value:g}"
        for kind, name, sign in (
            (value, "lower_bound", ">="),
            (value, "upper_bound", "<="),
            (threshold, "absolute", "change"),
            (threshold, "relative", "relative change"),
        )
        if kind.HasField(name)
    ]
    measured = failure.metric_value.double_value.value
    label = f"{failure.metric_key.name}{f' of {where}' if where else ''}"
    return f"{label}: {measured:.4f}, expected {' and '.join(bounds)}"


_READERS: dict[str, Callable[[Artifact], dict[str, Any]]] = {
    "Model": _model,
    "ModelBlessing": _blessing,
    "InfraBlessing": _infra_blessing,
    "PushedModel": _pushed,
    "ModelEvaluation": _evaluation,
}
