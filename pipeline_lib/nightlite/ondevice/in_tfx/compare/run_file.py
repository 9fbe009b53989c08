"""File of a run, found in ML Metadata by the run's id: EdgeValidator's inputs, its verdict and its parameters."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_gen.utils import SPAN_PROPERTY_NAME
from tfx.utils import path_utils

from nightlite.errors import DataError, UsageError
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.contract.file_contract import TFLITE_FILE
from nightlite.ondevice.gates.gate import Gates
from nightlite.ondevice.gates.measurements import MEASUREMENTS_FILE
from nightlite.ondevice.in_tfx.compare.candidate import EVAL, Candidate
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.report_files import REPORT_NODE
from nightlite.ondevice.results.run_summary import JUDGE_NODE
from nightlite.ondevice.settings import Settings
from nightlite.runner.in_tfx.mlmd.lineage import executions_in_all
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.in_tfx.run_parameters import run_name

_DONE = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)


def file_of_run(run_id: str, model: OnDeviceModel, config: Settings) -> Candidate:
    """Return the file of a run, blessed or not.

    Raises:
      UsageError: the model's pipeline has no such run.
      DataError: no file was judged in it, or its artifacts were removed.
    """
    with open_store(config.mlmd_url) as handle:
        return _found(handle.store, run_id, model)


def _found(store: metadata_store.MetadataStore, run_id: str, model: OnDeviceModel) -> Candidate:
    pipeline = store.get_context_by_type_and_name("pipeline", model.pipeline_name)
    run = _run_context(store, model.pipeline_name, run_id)
    if not (pipeline and run and executions_in_all(store, [pipeline, run])):
        raise UsageError(
            f"expected a release's number, 'latest', or the id of a run of {model.pipeline_name}. "
            f"Received: {run_id!r}; 'nightlite runs --model {model.name}' lists the runs"
        )
    judged = _execution(store, run, f"{model.pipeline_name}.{JUDGE_NODE}")
    if judged is None:
        raise DataError(f"run {run_id} has no file to compare: {JUDGE_NODE} has not ended in it")
    artifacts = _artifacts(store, judged.id)
    blessing = Path(artifacts["blessing"].uri)
    file = Path(path_utils.serving_model_path(artifacts["model"].uri), TFLITE_FILE)
    if not (file.exists() and blessing.exists()):
        raise DataError(
            f"{file}: the file of run {run_id} was removed with its artifacts (NIGHTLITE_KEEP_ARTIFACT_RUNS). "
            "If the run made a release, compare that"
        )
    examples = artifacts["examples"]
    measurements = blessing / MEASUREMENTS_FILE
    reported = _execution(store, run, f"{model.pipeline_name}.{REPORT_NODE}")
    return Candidate(
        title=f"run {run_id}",
        created=datetime.fromtimestamp(judged.create_time_since_epoch / 1000, UTC),
        run_id=run_id,
        file=file,
        contract=AppContract.model_validate_json(judged.custom_properties["contract_json"].string_value),
        gates=Gates.read(blessing).gates,
        parameters=json.loads(reported.custom_properties["run_parameters"].string_value) if reported else {},
        # LiteRT could not run the file if there are none.
        measurements=json.loads(measurements.read_text(encoding="utf-8")) if measurements.exists() else {},
        span=examples.custom_properties[SPAN_PROPERTY_NAME].int_value or None,
        eval_files=tuple(sorted(map(str, Path(examples.uri, f"Split-{EVAL}").glob("*.gz")))),
    )


def _run_context(store: metadata_store.MetadataStore, pipeline: str, run_id: str) -> Any:
    """Return the context of a run, or None. Older runs have their id alone as a name."""
    names = (run_name(pipeline, run_id), run_id)
    found = (store.get_context_by_type_and_name("pipeline_run", name) for name in names)
    return next(filter(None, found), None)


def _execution(store: metadata_store.MetadataStore, run: Any, node: str) -> Any:
    """Return the newest execution of a node in a run that has ended well, or None."""
    context = store.get_context_by_type_and_name("node", node)
    found: Sequence[Any] = executions_in_all(store, [run, context]) if context else []
    return next((item for item in reversed(found) if item.last_known_state in _DONE), None)


def _artifacts(store: metadata_store.MetadataStore, execution_id: int) -> dict[str, Any]:
    """Return the first artifact of each input and output of an execution, by their names."""
    keys: dict[str, int] = {}
    for event in store.get_events_by_execution_ids([execution_id]):
        keys.setdefault(event.path.steps[0].key, event.artifact_id)
    found = {item.id: item for item in store.get_artifacts_by_id(sorted(set(keys.values())))}
    return {key: found[artifact_id] for key, artifact_id in keys.items()}
