"""Fork a child that runs one node. Importing this module imports TFX, and must never run an op of it.

A process that has imported TFX may fork as long as TensorFlow's eager context is untouched. A context holds threads
and locks that a fork does not carry over. The child would hang on one of them.

Upstream: tensorflow/tensorflow#8220 and tensorflow/tensorflow#51832, both closed: not supported. For TensorFlow 2.21.
"""

import contextlib
import dataclasses
import gc
import importlib
import io
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import cast

import psutil
from ml_metadata.proto import metadata_store_pb2
from tensorflow.python.eager import context as eager_context

from nightlite.errors import NightliteError
from nightlite.paths import TEMPORARY, runtime_dir, temporary_dir
from nightlite.runner.exit_codes import EXIT_FAILED, EXIT_SIGNAL, EXIT_USAGE, killed_by
from nightlite.runner.in_tfx import node, node_log
from nightlite.runner.in_tfx.beam import arguments, forked_workers
from nightlite.runner.in_tfx.request import request_from
from nightlite.runner.node_result import NodeResult

# Collections walk every object of TFX's import, many more than a node's own garbage.
_GC_THRESHOLD = 50_000


@dataclasses.dataclass(frozen=True)
class ChildCall:
    """The caller's part of a child: arguments of run_node, environment, folder, and where its output goes.

    `import_path` is the caller's `sys.path`: a node's settings may have added to it.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    stdout: int
    stderr: int
    import_path: Sequence[str] = dataclasses.field(default_factory=lambda: list(sys.path))


@dataclasses.dataclass(frozen=True)
class Child:
    """A running child. `temporary` is its TMPDIR, removed once it has ended."""

    pid: int
    call: ChildCall
    temporary: Path


class Lifeline:
    """A pipe whose write end only the parent holds. A child that reads its end notices the parent's end."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def take(self) -> None:
        """Leave the write end to the parent. No process that the child forks may hold it."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def hold(self) -> None:
        """End this process group, which is the child's, as soon as the parent has ended in any way."""
        self.take()
        threading.Thread(target=self._wait, daemon=True, name="lifeline").start()

    def _wait(self) -> None:
        os.read(self._read, 1)
        os.write(2, b"the process that started this one has ended; so does this one\n")
        os.killpg(0, signal.SIGKILL)


def eager_context_touched() -> bool:
    """Return whether this process has run a TensorFlow op, after which a forked child could hang."""
    context = eager_context._context
    return context is not None and context._initialized


def freeze() -> None:
    """Hide imported objects from the garbage collector, so that no child copies their pages."""
    gc.collect()
    gc.freeze()


def start(call: ChildCall, lifeline: Lifeline, own_session: bool, not_for_child: Collection[int] = ()) -> Child:
    """Fork a child that runs `run_node` with the call's arguments. It closes the files `not_for_child`."""
    temporary = Path(tempfile.mkdtemp(prefix=f"node-{os.getpid()}-", dir=temporary_dir(call.environment)))
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = EXIT_FAILED
        try:
            _become_child(call, lifeline, temporary, own_session, not_for_child)
            code = _run_node(call.arguments, lifeline)
        except BaseException:
            node_log.say(traceback.format_exc(), logging.ERROR)
        finally:
            # Always: a child that returned from here would go on as a second parent.
            _leave(code)
    return Child(pid, call, temporary)


def clear_temporaries(state_dir: Path) -> None:
    """Remove the temporary folders of processes that were killed before they could."""
    for folder in (state_dir / TEMPORARY).glob("node-*-*"):
        parent = folder.name.split("-")[1]
        if parent.isdigit() and not psutil.pid_exists(int(parent)):
            shutil.rmtree(folder, ignore_errors=True)


def _become_child(
    call: ChildCall, lifeline: Lifeline, temporary: Path, own_session: bool, not_for_child: Collection[int]
) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    if own_session:
        os.setsid()
    os.dup2(call.stdout, 1)
    os.dup2(call.stderr, 2)
    for number in not_for_child:
        if number > 2:
            os.close(number)
    # The parent's log file is buffered by blocks. A node's log is written by lines.
    cast(io.TextIOWrapper, sys.stdout).reconfigure(line_buffering=True, write_through=True)
    os.environ.clear()
    os.environ.update({**call.environment, "TMPDIR": str(temporary)})
    tempfile.tempdir = None
    os.chdir(call.folder)
    sys.path[:] = call.import_path
    lifeline.take()
    gc.set_threshold(_GC_THRESHOLD, 50, 50)
    # Import the user's code again, which may have been edited since.
    importlib.invalidate_caches()


def _run_node(call_arguments: Sequence[str], lifeline: Lifeline) -> int:
    try:
        request = request_from(list(call_arguments))
    except NightliteError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    if arguments.is_beam_node(request.pipeline, request.node_id):
        forked_workers.fork_forker(request.log_levels)
    lifeline.hold()
    try:
        return node.execute(request)
    finally:
        forked_workers.end_forker()


def _leave(code: int) -> None:
    """End at once, because Beam's and gRPC's threads would delay a normal exit."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def end(child: Child, status: int, rusage: resource.struct_rusage, stopped: bool) -> tuple[int, str | None]:
    """Clear up after a child that has ended.

    Args:
      child: the child that was waited for.
      status: its wait status.
      rusage: its resource usage.
      stopped: whether its end was requested.

    Returns:
      run_node's exit code; and a reason for `close_execution`, if the child could not close its execution in MLMD.
    """
    shutil.rmtree(child.temporary, ignore_errors=True)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status), None
    signum = os.WTERMSIG(status)
    death = f"the task was stopped ({signal.Signals(signum).name})" if stopped else killed_by(signum, rusage)
    return EXIT_SIGNAL + signum, death


def close_execution(
    child: Child,
    reason: str,
    stopped: bool,
    lifeline: Lifeline,
    own_session: bool,
    not_for_child: Collection[int] = (),
) -> int:
    """Fork a child that closes the execution, because a parent that has opened MLMD can no longer fork.

    Returns:
      Its pid, to be waited for: MLMD may be locked, and keep it waiting.
    """
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(Exception):
            _become_child(child.call, lifeline, child.temporary, own_session, not_for_child)
            lifeline.hold()
            request = request_from(list(child.call.arguments))
            launcher, _ = node.prepare(request)
            state = metadata_store_pb2.Execution.CANCELED if stopped else metadata_store_pb2.Execution.FAILED
            launcher.abandon(reason, state=state)
            result = NodeResult(
                node_id=request.node_id,
                run_id=request.run_id,
                state="cancelled" if stopped else "failed",
                reason=reason,
            )
            node.finish(request, result)
        _leave(0)
    return pid


def run_here(arguments: Sequence[str]) -> int:
    """Run the node cold, in a child of this very process, and wait for it."""
    call, lifeline = ChildCall(arguments, dict(os.environ), os.getcwd(), 1, 2), Lifeline()
    clear_temporaries(runtime_dir())
    child = start(call, lifeline, own_session=False)
    stopped = False

    def stop(signum: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _, status, rusage = os.wait4(child.pid, 0)
    code, death = end(child, status, rusage, stopped)
    if death:
        os.waitpid(close_execution(child, death, stopped, lifeline, own_session=False), 0)
    return code
