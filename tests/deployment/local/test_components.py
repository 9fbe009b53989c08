"""The order in which the components of the local Airflow are started."""

import os
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nightlite.deployment.local import components
from nightlite.deployment.local.airflow_config import LocalAirflow
from nightlite.deployment.local.processes import Component, started
from nightlite.deployment.settings import Settings


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is done, in order: each component started, and each wait. No process is."""
    found: list[str] = []

    def popen(command: list[str], **_: Any) -> SimpleNamespace:
        found.append(command[3])
        return SimpleNamespace(pid=os.getpid())

    def wait(_: Any, processes: Collection[str], say: Any, wanted: Collection[str]) -> None:
        assert set(wanted) <= set(processes)
        found.append(f"wait for {', '.join(wanted)}")

    monkeypatch.setattr(components.subprocess, "Popen", popen)
    monkeypatch.setattr(components, "wait_until_healthy", wait)
    return found


@pytest.fixture
def airflow(tmp_path: Path) -> LocalAirflow:
    made = LocalAirflow(tmp_path, 1, tmp_path)
    made.log_folder.mkdir(parents=True)
    return made


def test_no_scheduler_starts_tasks_before_the_api_server_can_let_them(airflow: LocalAirflow, done: list[str]) -> None:
    components.start(airflow, Settings(var_dir=airflow.home), print)
    assert done == ["api-server", "dag-processor", "triggerer", "wait for api-server", "scheduler"]


def test_a_scheduler_beside_an_api_server_that_runs_starts_at_once(airflow: LocalAirflow, done: list[str]) -> None:
    me = components.psutil.Process()
    kept = [Component(name=name, pid=me.pid, started=started(me)) for name in ("api-server", "triggerer")]
    components.start(airflow, Settings(var_dir=airflow.home), print, tuple(kept))
    assert done == ["dag-processor", "scheduler"]
