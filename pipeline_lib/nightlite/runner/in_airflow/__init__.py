"""Airflow's side of the runner. It runs in `.venvs/airflow` and never imports tensorflow or tfx.

A DAG file imports the runner's public names from here. `__init__.pyi` declares them for type checkers.
"""

from importlib import import_module
from typing import Any

# Loaded when they are asked for, because most modules below need none of them.
_MODULES = {
    "AirflowDagRunner": "dag_runner",
    "AirflowPipelineConfig": "config",
    "NodeSettings": "config",
    "TfxTaskGroup": "task_group",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
