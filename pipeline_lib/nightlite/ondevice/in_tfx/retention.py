"""Retention of artifacts on the disk: the newest runs', and those that later runs are compared with.

MLMD remembers all of them forever. An artifact is marked as deleted there before its folder goes, so that no
Resolver returns it. TFX takes no answer from the cache whose folders are missing.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from ml_metadata.metadata_store import ListOptions, metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.components.evaluator import constants
from tfx.orchestration import metadata
from tfx.orchestration.portable.mlmd import execution_lib

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.ondevice.model import model_name
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report_files import REFUSED_DATA
from nightlite.ondevice.settings import settings
from nightlite.runner.hooks import AfterRun
from nightlite.runner.in_tfx.mlmd import running_nodes

Artifact: TypeAlias = metadata_store_pb2.Artifact
Execution: TypeAlias = metadata_store_pb2.Execution
# A few kilobytes a span, and the next span may be compared with any of them.
_KEPT_TYPES = ("DataGates",)


def after_run(run: AfterRun) -> str:
    """Prune by the settings, as the hook `after_run`. Return a line for the log, "" if nothing was removed."""
    config = settings()
    if not config.keep_artifact_runs:
        return ""
    releases = config.folders(model_name(run.pipeline_name)).releases
    removed = prune(run.store, run.pipeline_name, run.pipeline_root, releases, config.keep_artifact_runs)
    if not removed:
        return ""
    return f"removed {removed} artifacts, older than {config.keep_artifact_runs} runs, below {run.pipeline_root}"


def prune(store: metadata.Metadata, pipeline_name: str, pipeline_root: Path, push_dir: Path, keep_runs: int) -> int:
    """Remove the folders of this pipeline's artifacts below `pipeline_root` that nothing needs any longer.

    Artifacts stay if one of the newest `keep_runs` runs of any pipeline, or a running one, read or wrote them. A
    cached answer is an older run's artifact. Artifacts behind the releases in `push_dir` stay too. Folders unknown to
    MLMD and other pipelines' folders are left alone.

    Returns:
      The number of artifacts removed.

    Raises:
      OSError: a folder could not be removed. The next call will find it.
    """
    with store as handle:
        return _prune(handle.store, pipeline_name, pipeline_root, Releases(push_dir), keep_runs)


def _prune(
    store: metadata_store.MetadataStore, pipeline_name: str, root: Path, releases: Releases, keep_runs: int
) -> int:
    # From the disk, which pruning keeps small, and not from MLMD, which grows forever.
    folders = {*root.glob("*/*/[0-9]*"), *root.glob("*/.system/*/[0-9]*")}
    on_disk = {int(folder.name) for folder in folders if folder.name.isdecimal()}
    executions = store.get_executions_by_id(sorted(on_disk)) if on_disk else []
    kept_executions = _kept_executions(store, root, executions, keep_runs)
    kept = _artifact_ids(store, kept_executions) | _compared_with(store, root, releases)
    types = {item.id: item.name for item in store.get_artifact_types()}
    doomed = [
        (artifact, folder)
        for artifact in store.get_artifacts_by_id(sorted(_artifact_ids(store, on_disk - kept_executions) - kept))
        if (folder := _folder(artifact, folders)) and types[artifact.type_id] not in _KEPT_TYPES
    ]
    beside = [
        folder
        for execution in executions
        if execution.id not in kept_executions
        # TFX's folder for executors' messages, now in MLMD, and the page of refused data.
        for folder in (*root.glob(f"*/.system/*/{execution.id}"), *root.glob(f"*/{REFUSED_DATA}/{execution.id}"))
    ]
    going = _of_pipeline(store, pipeline_name, {*beside, *(folder for _, folder in doomed)})
    doomed = [(artifact, folder) for artifact, folder in doomed if folder in going]
    for artifact, _ in doomed:
        artifact.state = Artifact.DELETED
    store.put_artifacts([artifact for artifact, _ in doomed])
    for folder in going:
        durable.remove(folder)
    return len(doomed)


def _kept_executions(
    store: metadata_store.MetadataStore, root: Path, executions: Sequence[Execution], keep_runs: int
) -> set[int]:
    """Return the executions of every pipeline's newest runs, and of the running runs."""
    active = [
        execution.id
        for execution in executions
        if execution_lib.is_execution_active(execution) and not _is_dead(store, root, execution.id)
    ]
    runs = _runs_of(store, active)
    for pipeline in store.get_contexts_by_type("pipeline"):
        runs.update(newest_runs(store, pipeline.name, keep_runs))
    return {item.id for run in runs for item in store.get_executions_by_context(run)}


def _of_pipeline(store: metadata_store.MetadataStore, pipeline_name: str, folders: set[Path]) -> set[Path]:
    """Return the folders that a pipeline's executions have written, named by their numbers.

    Ask for few, because MLMD searches its whole history for each execution.
    """
    numbers = {int(folder.name) for folder in folders}
    own = {number for number in numbers if _contexts(store, number).get("pipeline") == pipeline_name}
    return {folder for folder in folders if int(folder.name) in own}


def _folder(artifact: Artifact, folders: set[Path]) -> Path | None:
    """Return the folder to remove for an artifact. The URI of a number or a text is the file in its folder."""
    place = Path(artifact.uri)
    return next((path for path in (place, place.parent) if path in folders and path.is_dir()), None)


def newest_runs(store: metadata_store.MetadataStore, pipeline_name: str, count: int) -> Iterator[int]:
    """Yield the contexts of the pipeline's newest runs that have an execution."""
    pipeline = store.get_context_by_type_and_name("pipeline", pipeline_name)
    # A run's context is a child of its pipeline's. MLMD has no index of executions' contexts.
    runs = store.get_children_contexts_by_context(pipeline.id) if pipeline else []
    for run in sorted(runs, key=lambda context: context.id, reverse=True):
        if store.get_executions_by_context(run.id, ListOptions(limit=1)):
            yield run.id
            count -= 1
        if count <= 0:
            return


def _is_dead(store: metadata_store.MetadataStore, root: Path, execution_id: int) -> bool:
    """Return whether its process was killed and its node still needs clearing up, because it has not run since."""
    names = _contexts(store, execution_id)
    return running_nodes.is_dead(running_nodes.file_of(root, names.get("node", ""), names.get("pipeline_run", "")))


def _contexts(store: metadata_store.MetadataStore, execution_id: int) -> dict[str, str]:
    """Return the names of an execution's contexts, by their types."""
    return {context.type: context.name for context in store.get_contexts_by_execution(execution_id)}


def _runs_of(store: metadata_store.MetadataStore, execution_ids: Sequence[int]) -> set[int]:
    contexts = [context for item in execution_ids for context in store.get_contexts_by_execution(item)]
    return {context.id for context in contexts if context.type == "pipeline_run"}


def _artifact_ids(store: metadata_store.MetadataStore, execution_ids: set[int]) -> set[int]:
    events = store.get_events_by_execution_ids(sorted(execution_ids)) if execution_ids else []
    return {event.artifact_id for event in events}


def _compared_with(store: metadata_store.MetadataStore, root: Path, releases: Releases) -> set[int]:
    """Return the artifacts behind the releases, because a rollback may make any of them the baseline."""
    versions = releases.versions()
    kept: set[int] = set()
    for version in versions:
        with contextlib.suppress(ReleaseError):
            manifest = releases.release(version).manifest
            kept |= {manifest.model_artifact_id, *manifest.artifact_ids.values()}
    return kept if versions else _blessed_last(store, root)


def _blessed_last(store: metadata_store.MetadataStore, root: Path) -> set[int]:
    """Return the artifacts of this pipeline's last blessed model, which is the baseline without a release."""
    blessed = [
        artifact
        for artifact in store.get_artifacts_by_type("InfraBlessing")
        if artifact.custom_properties[constants.ARTIFACT_PROPERTY_BLESSED_KEY].int_value == 1
        and Path(artifact.uri).is_relative_to(root)
    ]
    newest = max(blessed, key=lambda artifact: artifact.id, default=None)
    model = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
    return {newest.id, newest.custom_properties[model].int_value} if newest else set()
