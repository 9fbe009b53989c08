"""Result of a node's executions, from MLMD and the product's hook."""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from nightlite.runner import hooks
from nightlite.runner.compiled_pipeline import Hooks
from nightlite.runner.node_result import NodeResult, OutputArtifact

Execution: TypeAlias = metadata_store_pb2.Execution

_READ = metadata_store_pb2.Event.INPUT


def read_outcome(
    run_id: str,
    node_id: str,
    store: metadata.Metadata,
    execution_ids: Sequence[int],
    named: Hooks,
    was_done: bool = False,
) -> NodeResult:
    """Return the result of a node's executions, several in a loop, from MLMD and the hook `outcome`."""
    with store as handle:
        executions = handle.store.get_executions_by_id(execution_ids)
        events = handle.store.get_events_by_execution_ids(execution_ids)
        written = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INTERNAL_OUTPUT)
        keys = {event.artifact_id: event.path.steps[0].key for event in events if event.type in written}
        read = {(event.path.steps[0].key, event.artifact_id) for event in events if event.type == _READ}
        known = handle.store.get_artifacts_by_id(sorted({*keys, *(artifact_id for _, artifact_id in read)}))
        types = {item.id: item.name for item in handle.store.get_artifact_types()}
    result = NodeResult(node_id=node_id, run_id=run_id, state="succeeded", execution_id=max(execution_ids))
    for execution in executions:
        if execution.last_known_state == Execution.FAILED:
            return result.model_copy(update={"state": "failed", "reason": _recorded_error(execution)})
    artifacts = sorted((artifact for artifact in known if artifact.id in keys), key=lambda artifact: artifact.id)
    references = {item.id: OutputArtifact(id=item.id, type=types[item.type_id], uri=item.uri) for item in known}
    outputs: dict[str, list[OutputArtifact]] = {}
    for artifact in artifacts:
        outputs.setdefault(keys[artifact.id], []).append(references[artifact.id])
    inputs: dict[str, list[OutputArtifact]] = {}
    for key, artifact_id in sorted(read):
        inputs.setdefault(key, []).append(references[artifact_id])
    written_types = [(types[artifact.type_id], artifact) for artifact in artifacts]
    fields: dict[str, Any] = {"inputs": inputs, "outputs": outputs, **_blessed_and_pushed(written_types)}
    product = hooks.load(named.outcome)(written_types) if named.outcome else hooks.NodeOutcome()
    fields |= {"facts": dict(product.facts), "reason": product.reason}
    fields["not_blessed_because"] = product.not_blessed_because
    if fields.get("pushed") is False or product.skipped:
        fields |= {"state": "skipped", "reason": product.reason or "not pushed: the model is not blessed"}
    elif all(execution.last_known_state == Execution.CACHED for execution in executions):
        fields |= {"state": "cached", "reason": "answered from cache"}
    elif was_done:
        fields["reason"] = "it had already succeeded in this run"
    return result.model_copy(update=fields)


def _blessed_and_pushed(outputs: Sequence[tuple[str, metadata_store_pb2.Artifact]]) -> dict[str, bool]:
    """Return TFX's own verdicts, from the custom properties of its blessings and PushedModel."""
    found = {}
    for type_name, artifact in outputs:
        if type_name in ("ModelBlessing", "InfraBlessing"):
            found["blessed"] = bool(artifact.custom_properties["blessed"].int_value)
        elif type_name == "PushedModel":
            found["pushed"] = bool(artifact.custom_properties["pushed"].int_value)
    return found


def _recorded_error(execution: Execution) -> str:
    text = execution.custom_properties["__execution_result__"].string_value or "{}"
    message = str(json.loads(text).get("resultMessage", "its inputs could not be resolved"))
    return message.strip().splitlines()[-1]
