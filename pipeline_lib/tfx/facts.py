"""What a node's outputs say, read once here so that nobody else must load TFX to know: verdicts, metrics, sizes."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2

from pipeline_lib.report_files import REPORT_PAGE, REPORT_TYPE

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
    if not properties["pushed"].int_value:
        return {"pushed": False}
    return {
        "pushed": True,
        "pushed_version": properties["pushed_version"].string_value,
        "pushed_to": properties["pushed_destination"].string_value,
    }


def _report(artifact: Artifact) -> dict[str, Any]:
    return {"report": str(Path(artifact.uri) / REPORT_PAGE)}


def _evaluation(artifact: Artifact) -> dict[str, Any]:
    import tensorflow_model_analysis as tfma  # 7 s, and only an Evaluator's outputs need it

    metrics = tfma.load_eval_result(artifact.uri).get_metrics_for_all_slices()
    facts: dict[str, Any] = {
        "metrics": {name: value["doubleValue"] for name, value in metrics[()].items() if "doubleValue" in value}
    }
    if any(Path(artifact.uri).glob("validations*")):  # none without a threshold
        validation = tfma.load_validation_result(artifact.uri)
        facts["refusals"] = [
            _refusal(by_slice.slice_key, failure)
            for by_slice in validation.metric_validations_per_slice
            for failure in by_slice.failures
        ]
    return facts


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
    REPORT_TYPE: _report,
    "ModelEvaluation": _evaluation,
}
