"""What a node's outputs say, read once here so that nobody else must load TFX to know: verdicts, metrics, sizes."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2

from nightlite.ondevice.gates.gate import GATES_FILE, Gates
from nightlite.ondevice.in_tfx.evaluation.thresholds import evaluation_gates, overall_metrics
from nightlite.ondevice.outcome import OUTCOME, Outcome
from nightlite.ondevice.report_files import REPORT_PAGE, REPORT_TYPE

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
    """EdgeValidator's lists every gate of its run; TFX's own InfraValidator writes no list."""
    facts = _blessing(artifact)
    folder = Path(artifact.uri)
    if (folder / GATES_FILE).exists():
        facts["refusals"] = [f"{gate.node_id}: {gate}" for gate in Gates.read(folder).refused]
    return facts


def _pushed(artifact: Artifact) -> dict[str, Any]:
    properties = artifact.custom_properties
    facts: dict[str, Any] = {"pushed": bool(properties["pushed"].int_value)}
    for field, name in (("pushed_version", "pushed_version"), ("pushed_to", "pushed_destination")):
        facts[field] = properties[name].string_value or None
    # Of the executor of ours only; TFX's own has but one reason not to push.
    facts["pushed_sha256"] = properties["sha256"].string_value or None
    facts["reason"] = properties["reason"].string_value or None
    decided = properties[OUTCOME].string_value or (Outcome.released if facts["pushed"] else Outcome.refused)
    facts["outcome"] = Outcome(decided)
    if properties["metrics"].string_value:
        facts["metrics"] = json.loads(properties["metrics"].string_value)
    return facts


def _report(artifact: Artifact) -> dict[str, Any]:
    facts: dict[str, Any] = {"report": str(Path(artifact.uri) / REPORT_PAGE)}
    if outcome := artifact.custom_properties[OUTCOME].string_value:  # OutcomeReport's
        facts |= {"outcome": Outcome(outcome), "reason": artifact.custom_properties["reason"].string_value}
    return facts


def _evaluation(artifact: Artifact) -> dict[str, Any]:
    gates = evaluation_gates(artifact.uri, node_id="")
    return {
        "metrics": overall_metrics(artifact.uri),
        "refusals": [str(gate) for gate in gates if not gate.passed],
    }


_READERS: dict[str, Callable[[Artifact], dict[str, Any]]] = {
    "Model": _model,
    "ModelBlessing": _blessing,
    "InfraBlessing": _infra_blessing,
    "PushedModel": _pushed,
    REPORT_TYPE: _report,
    "ModelEvaluation": _evaluation,
}
