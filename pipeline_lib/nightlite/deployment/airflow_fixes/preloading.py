"""Imports that every task would make again. The executor makes them before it forks its workers.

A task is a forked child of a worker. It parses its DAG file, so it imports Airflow's DagBag, the standard operators and
this library: a third of a second of CPU. Models and DAG files are not imported here, so an edit of them shows at once.
An edit of the library makes the worker forget the library, and its tasks import it again.
"""

import importlib
import logging
import os
import sys
from collections.abc import Iterable
from typing import Any

from nightlite.paths import PACKAGE

_MODULES = (
    "airflow.dag_processing.dagbag",
    "airflow.sdk.execution_time.supervisor",
    "nightlite.ondevice.in_airflow.ingest_dag",
    "nightlite.ondevice.in_airflow.nightly",
    "nightlite.runner.in_airflow.node_process",
)
_LOG = logging.getLogger(__name__)


def preload() -> None:
    """Import what DAG files of this library import. A module that cannot be imported is only logged."""
    for module in _MODULES:
        try:
            importlib.import_module(module)
        except Exception:  # the task will fail with it, and say so in its own log
            _LOG.warning("%s was not imported ahead of the tasks", module, exc_info=True)


def _stamps(files: Iterable[str]) -> dict[str, int]:
    """Return the time of each file's last change. A missing one has 0."""
    return {file: os.stat(file).st_mtime_ns if os.path.exists(file) else 0 for file in files}


def _library() -> dict[str, Any]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE.name}


class FreshQueue:
    """A worker's queue of tasks that forgets the imported library where a file of it has changed.

    Args:
      queue: the executor's own.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        files = (getattr(module, "__file__", None) for module in _library().values())
        self._seen = _stamps(filter(None, files))

    def get(self) -> Any:
        """Return the next task, or None at the executor's end."""
        workload = self._queue.get()
        if self._seen and _stamps(self._seen) != self._seen:
            self._seen = {}
            for name in _library():
                del sys.modules[name]
        return workload
