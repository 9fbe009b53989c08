"""The one code path of a node: everything below the fork, warm or cold."""

import contextlib
import errno
import json
import logging
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import tfx
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.proto.orchestration import pipeline_pb2

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import CompiledPipelineError, DataError, NightliteError, NodeRequestError
from nightlite.runner import hooks
from nightlite.runner.compiled_pipeline import FORCE, CompiledPipeline
from nightlite.runner.exit_codes import EXIT_FAILED, EXIT_FINAL, EXIT_OK, EXIT_SIGNAL, EXIT_SKIPPED, EXIT_USAGE
from nightlite.runner.in_tfx import fingerprints, node_log, run_parameters
from nightlite.runner.in_tfx.beam import lost_workers
from nightlite.runner.in_tfx.beam.forked_workers import in_words
from nightlite.runner.in_tfx.constructs import user_files
from nightlite.runner.in_tfx.launcher import NodeLauncher
from nightlite.runner.in_tfx.mlmd.outcome import read_outcome
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.node_result import NodeResult, State

Execution: TypeAlias = metadata_store_pb2.Execution
_EXIT_CODES: dict[State, int] = {
    "succeeded": EXIT_OK,
    "cached": EXIT_OK,
    "skipped": EXIT_SKIPPED,
    "failed": EXIT_FAILED,
    "cancelled": EXIT_SIGNAL + signal.SIGTERM,
}


class NodeCancelled(BaseException):
    """SIGTERM. It is no Exception, so that no executor takes it for a failure of its own."""


def execute(request: NodeRequest) -> int:
    """Run the node, print its outcome and write its result file.

    Returns:
      run_node's exit code.
    """
    signal.signal(signal.SIGTERM, _cancel)
    signal.signal(signal.SIGINT, _cancel)
    node_log.quiet(levels=request.log_levels)
    lost_workers.quiet()
    started = time.monotonic()
    try:
        launcher, store = prepare(request)
    except (NightliteError, ImportError) as error:
        finish(request, NodeResult(node_id=request.node_id, run_id=request.run_id, state="failed", reason=str(error)))
        return EXIT_USAGE
    result = launch(request, launcher, store)
    times = {"seconds": time.monotonic() - started, "executor_seconds": launcher.executor_seconds}
    result = result.model_copy(update={name: round(value, 3) for name, value in times.items()})
    finish(request, result)
    if request.node_id == launcher.last_node_id and result.state != "failed":
        _after_run(launcher, store)
    return EXIT_FINAL if result.final else _EXIT_CODES[result.state]


def _after_run(launcher: NodeLauncher, store: metadata.Metadata) -> None:
    """Call the product's hook. Its failure is not the node's, and the next run calls it again."""
    if not (name := launcher.hooks.after_run):
        return
    run = hooks.AfterRun(store, launcher.pipeline_name, Path(launcher.pipeline_root))
    try:
        said = hooks.load(name)(run)
    except Exception as error:
        node_log.say(f"{name} failed: {type(error).__name__}: {error}", logging.WARNING)
        return
    if said:
        print(said, flush=True)


def bound_pipeline(
    compiled: CompiledPipeline,
    run_id: str,
    parameters: Mapping[str, Any],
    node_id: str | None = None,
    own_environment: Iterable[str] = (),
) -> pipeline_pb2.Pipeline:
    """Return the pipeline's IR with run id, run parameters and code fingerprints filled in.

    A forced run has no cache. With `node_id`, only that node, the one that will run, gets its fingerprints.
    `own_environment` names the environment variables that were set for it.

    Raises:
      CompiledPipelineError: it was compiled with another TFX.
      NodeRequestError: it cannot be run as asked.
    """
    if compiled.tfx_version != tfx.__version__:
        raise CompiledPipelineError(
            f"{compiled.name}: expected a pipeline compiled with TFX {tfx.__version__}, as this environment has. "
            f"Received: one compiled with {compiled.tfx_version}: {compiled.how_to_compile}"
        )
    if not run_id:
        raise NodeRequestError("expected a run id. Received: ''")
    # As text, because ParseDict would reorder the given dictionary.
    pipeline = json_format.Parse(json.dumps(compiled.ir), pipeline_pb2.Pipeline())
    used = run_parameters.bind(pipeline, run_id, compiled.parameters, parameters)
    for item in pipeline.nodes:
        if node_id in (None, item.pipeline_node.node_info.id):
            user_files.make_importable(compiled.sources, item.pipeline_node)
            fingerprints.add_fingerprints(item.pipeline_node, compiled.ir.get("deploymentConfig", {}), own_environment)
        if used.get(FORCE) is True:  # a pipeline's own RuntimeParameter of that name is never a bool
            item.pipeline_node.execution_options.caching_options.enable_cache = False
    return pipeline


def prepare(request: NodeRequest) -> tuple[NodeLauncher, metadata.Metadata]:
    """Prepare everything but the launch. It fails before anything is recorded.

    Raises:
      CompiledPipelineError, NodeRequestError, SettingsError: it cannot be run as asked.
    """
    compiled = CompiledPipeline.read(request.pipeline)
    ids = [node.id for node in compiled.nodes]
    if request.node_id not in ids:
        raise NodeRequestError(
            f"{did_you_mean([request.node_id], ids)}Expected one of the nodes {', '.join(ids)}. "
            f"Received: {request.node_id!r}"
        )
    pipeline = bound_pipeline(compiled, request.run_id, request.parameters, request.node_id, request.own_environment)
    [node] = [item.pipeline_node for item in pipeline.nodes if item.pipeline_node.node_info.id == request.node_id]
    optional = compiled.nodes[ids.index(request.node_id)].optional
    store = open_store(request.metadata_url)
    return NodeLauncher(pipeline, node, store, compiled.hooks, optional), store


def launch(request: NodeRequest, launcher: NodeLauncher, store: metadata.Metadata) -> NodeResult:
    """Run a prepared node. Its failure is a result too."""
    try:
        executions = launcher.launch_all()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is done, and only its result is left
        if not executions:
            return _result(request, "skipped", launcher.why_skipped)
        return read_outcome(request.run_id, request.node_id, store, executions, launcher.hooks, launcher.was_done)
    except NodeCancelled:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        launcher.abandon("cancelled: the task was stopped", state=Execution.CANCELED)
        return _result(request, "cancelled", "the task was stopped")
    except NodeRequestError as error:
        return _result(request, "failed", str(error))
    except DataError as error:
        return _result(request, "failed", f"{type(error).__name__}: {error}", final=True, facts=error.facts)
    except Exception as error:
        if not lost_workers.has_one():  # a death is told in a sentence, which is the log's last line
            _print_executors_part(error)
        return _result(request, "failed", _reason(error, launcher.pipeline_root))


def _reason(error: Exception, root: str) -> str:
    """Return an error as a sentence. A full disk is hard to recognise in it: SQLite says "disk I/O error"."""
    reason = in_words(error)
    if os.strerror(errno.ENOSPC) not in reason and not _is_full(root):
        return reason
    return f"{reason}; free some below {root} (or {tempfile.gettempdir()}), then clear this task"


def _is_full(root: str) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(root).free < 2**20
    return False


def _result(request: NodeRequest, state: State, reason: str | None = None, **fields: Any) -> NodeResult:
    return NodeResult(node_id=request.node_id, run_id=request.run_id, state=state, reason=reason, **fields)


def finish(request: NodeRequest, result: NodeResult) -> None:
    """Write the result file and the log's last line. A killed caller may have taken both away."""
    with contextlib.suppress(OSError):
        bad = result.state == "failed" or result.blessed is False
        node_log.say(describe(result), logging.ERROR if bad else logging.INFO)
    with contextlib.suppress(OSError):
        if request.result:
            result.write(request.result)


def describe(result: NodeResult) -> str:
    """Return the node's last line in its log."""
    execution = f" (execution {result.execution_id})" if result.execution_id else ""
    reason = f": {result.reason}" if result.reason else ""
    blessing = {None: "", True: "; blessed", False: f"; NOT blessed: {result.not_blessed_because or 'see its outputs'}"}
    return f"{result.node_id} {result.state}{execution}{reason}{blessing[result.blessed]}"


def _print_executors_part(error: BaseException) -> None:
    """Print the traceback without the launcher's frames, because a reader wants the executor's."""
    shown = traceback.TracebackException.from_exception(error)
    frames = shown.stack
    launchers = [
        index for index, frame in enumerate(frames) if "/tfx/orchestration/" in Path(frame.filename).as_posix()
    ]
    shown.stack = traceback.StackSummary.from_list(frames[launchers[-1] + 1 :] if launchers else frames)
    node_log.say("".join(shown.format()), logging.ERROR)


def _cancel(_signum: int, _frame: FrameType | None) -> None:
    raise NodeCancelled
