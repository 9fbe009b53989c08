"""Hook `outcome`: reads a node's facts about the model from its outputs once, so that no one else needs TFX."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2

from nightlite.ondevice.gates.gate import GATES_FILE, Gates
from nightlite.ondevice.in_tfx.evaluation.thresholds import evaluation_gates, overall_metrics, unit_of
from nightlite.ondevice.report_files import REPORT_PAGE, REPORT_TYPE
from nightlite.ondevice.results.node_facts import NodeFacts
from nightlite.ondevice.results.outcome import OUTCOME, Outcome
from nightlite.runner.hooks import NodeOutcome

Artifact: TypeAlias = metadata_store_pb2.Artifact
_REASON = "reason"


def node_outcome(outputs: Iterable[tuple[str, Artifact]]) -> NodeOutcome:
    """Return the facts of one node, from pairs of a type's name and the artifact.

    The node ends as skipped if a Pusher, or the OutcomeReport after it, kept back a new model.
    """
    found: dict[str, Any] = {}
    for type_name, artifact in outputs:
        if reader := _READERS.get(type_name):
            found.update(reader(artifact))
    reason = found.pop(_REASON, None)
    facts = NodeFacts.model_validate(found)
    return NodeOutcome(
        facts=facts.model_dump(mode="json", exclude_defaults=True),
        skipped=bool(facts.outcome and facts.outcome.is_refusal),
        reason=reason,
        not_blessed_because="; ".join(facts.refusals),
    )


def _model(artifact: Artifact) -> dict[str, Any]:
    files = (Path(artifact.uri) / "Format-Serving").rglob("*")
    return {"model_bytes": sum(file.stat().st_size for file in files if file.is_file())}


def _infra_blessing(artifact: Artifact) -> dict[str, Any]:
    """Return the facts of an InfraBlessing. EdgeValidator's lists every gate of its run, TFX's own has no list."""
    folder = Path(artifact.uri)
    if not (folder / GATES_FILE).exists():
        return {}
    return {"refusals": [f"{gate.node_id}: {gate}" for gate in Gates.read(folder).refused]}


def _pushed(artifact: Artifact) -> dict[str, Any]:
    properties = artifact.custom_properties
    facts: dict[str, Any] = {
        "pushed_version": properties["pushed_version"].string_value or None,
        "pushed_to": properties["pushed_destination"].string_value or None,
        # From our executor only. TFX's own has only one reason not to push.
        "pushed_sha256": properties["sha256"].string_value or None,
        _REASON: properties["reason"].string_value or None,
    }
    pushed = bool(properties["pushed"].int_value)
    facts["outcome"] = properties[OUTCOME].string_value or (Outcome.released if pushed else Outcome.refused)
    if properties["metrics"].string_value:
        facts["metrics"] = json.loads(properties["metrics"].string_value)
    return facts


def _report(artifact: Artifact) -> dict[str, Any]:
    facts: dict[str, Any] = {"report": str(Path(artifact.uri) / REPORT_PAGE)}
    if outcome := artifact.custom_properties[OUTCOME].string_value:  # OutcomeReport's
        facts |= {"outcome": outcome, _REASON: artifact.custom_properties["reason"].string_value}
    return facts


def _evaluation(artifact: Artifact) -> dict[str, Any]:
    gates = evaluation_gates(artifact.uri, node_id="")
    return {
        "metrics": overall_metrics(artifact.uri),
        "unit": unit_of(artifact.uri),
        "refusals": [str(gate) for gate in gates if not gate.passed],
    }


_READERS: dict[str, Callable[[Artifact], dict[str, Any]]] = {
    "Model": _model,
    "InfraBlessing": _infra_blessing,
    "PushedModel": _pushed,
    REPORT_TYPE: _report,
    "ModelEvaluation": _evaluation,
}
