"""What a run decided, and on what figures: read from MLMD and from the files that its nodes left."""

import math
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from pydantic import BaseModel, ConfigDict

from pipeline_lib.errors import NodeRequestError
from pipeline_lib.settings import PIPELINE_NAME, Settings
from pipeline_lib.tfx.metadata_store import connection_config

ACCURACY = "sparse_categorical_accuracy"


class ModelFigures(BaseModel):
    """One model: accuracy and loss on the eval split, size in bytes of what its Trainer left."""

    model_config = ConfigDict(frozen=True)

    accuracy: float | None = None
    loss: float | None = None
    worst_class: str | None = None
    worst_class_accuracy: float | None = None
    bytes: int | None = None


class RunSummary(BaseModel):
    """A run's figures and verdict; `None` is what the run did not come to."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    keras: ModelFigures = ModelFigures()
    tflite: ModelFigures = ModelFigures()
    blessed: bool | None = None
    blessed_why: str = "the run did not come to an evaluation"
    pushed: Path | None = None


def summarize(config: Settings, run_id: str, pipeline_name: str = PIPELINE_NAME) -> RunSummary:
    """Read what run `run_id` left.

    Raises:
      NodeRequestError: MLMD knows no such run.
      SettingsError: the metadata store's address is refused.
    """
    artifacts = _artifacts(config, pipeline_name, run_id)
    keras = _figures(artifacts.get(("Evaluator.mnist", "evaluation")), artifacts.get(("Trainer.mnist", "model")))
    lite_evaluation = artifacts.get(("Evaluator.mnist_lite", "evaluation"))
    tflite = _figures(lite_evaluation, artifacts.get(("Trainer.mnist_lite", "model")))
    blessing = artifacts.get(("Evaluator.mnist_lite", "blessing"))
    pushed = artifacts.get(("Pusher.mnist_lite", "pushed_model"))
    verdict: dict[str, Any] = {}
    if blessing and lite_evaluation:
        verdict["blessed"] = bool(blessing.custom_properties["blessed"].int_value)
        verdict["blessed_why"] = _why(Path(lite_evaluation.uri))
    if pushed and pushed.custom_properties["pushed"].int_value:
        verdict["pushed"] = Path(pushed.custom_properties["pushed_destination"].string_value)
    return RunSummary(run_id=run_id, keras=keras, tflite=tflite, **verdict)


def _artifacts(
    config: Settings, pipeline_name: str, run_id: str
) -> dict[tuple[str, str], metadata_store_pb2.Artifact]:
    """The run's outputs by node id and output key."""
    store = metadata_store.MetadataStore(connection_config(config.mlmd_url))
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    if run is None:
        raise NodeRequestError(f"expected a run that MLMD knows. Received: {run_id!r}")
    nodes: dict[int, str] = {}
    for execution in store.get_executions_by_context(run.id):
        if execution.last_known_state in (execution.COMPLETE, execution.CACHED):
            for context in store.get_contexts_by_execution(execution.id):
                prefix, _, node_id = context.name.partition(".")
                if node_id and prefix == pipeline_name:
                    nodes[execution.id] = node_id
    events = [
        event
        for event in store.get_events_by_execution_ids(sorted(nodes))
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    by_id = {artifact.id: artifact for artifact in store.get_artifacts_by_id([event.artifact_id for event in events])}
    return {(nodes[event.execution_id], event.path.steps[0].key): by_id[event.artifact_id] for event in events}


def _figures(
    evaluation: metadata_store_pb2.Artifact | None, model: metadata_store_pb2.Artifact | None
) -> ModelFigures:
    figures: dict[str, Any] = {}
    if evaluation:
        by_slice = tfma.load_eval_result(evaluation.uri).get_metrics_for_all_slices()
        overall = by_slice[()]
        figures["accuracy"] = overall[ACCURACY]["doubleValue"]
        figures["loss"] = overall["sparse_categorical_crossentropy"]["doubleValue"]
        classes = {str(key[0][1]): values[ACCURACY]["doubleValue"] for key, values in by_slice.items() if key}
        if classes:
            worst = min(classes, key=lambda name: classes[name])
            figures.update(worst_class=worst, worst_class_accuracy=classes[worst])
    if model:
        files = (Path(model.uri) / "Format-Serving").rglob("*")
        figures["bytes"] = sum(file.stat().st_size for file in files if file.is_file())
    return ModelFigures(**figures)


def _why(evaluation: Path) -> str:
    """The gates that refused the model, or that all were met."""
    result = tfma.load_validation_result(str(evaluation))
    refused = []
    for by_slice in result.metric_validations_per_slice:
        for failure in by_slice.failures:
            bound = failure.metric_threshold.value_threshold
            limits = [
                f"{sign} {limit.value:g}"
                for sign, name, limit in [(">=", "lower_bound", bound.lower_bound), ("<=", "upper_bound", bound.upper_bound)]
                if bound.HasField(name) and math.isfinite(limit.value)
            ]
            refused.append(f"{failure.metric_key.name} {' and '.join(limits)}: {failure.metric_value.double_value.value:.4f}")
    return "; ".join(refused) if refused else "every threshold was met"
