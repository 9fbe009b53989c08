"""The containers' health check: its words, and the moment when it kills what hangs."""

import io
import json
import os
import signal
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "bin" / "nightlite-health"
WELL = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "healthy"}}
HANGS = WELL | {"scheduler": {"status": "unhealthy"}}
NO_DATABASE = HANGS | {"metadatabase": {"status": "unhealthy"}}


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    loader = SourceFileLoader("nightlite_health", str(SCRIPT))
    spec = spec_from_loader("nightlite_health", loader)
    assert spec
    module = module_from_spec(spec)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "UNWELL", tmp_path / "unwell")
    monkeypatch.setattr(module, "LOG", tmp_path / "log")
    monkeypatch.setattr(module, "FIRST", tmp_path / "first")
    module.FIRST.write_bytes(b"/sbin/docker-init\0--\0nightlite-component\0scheduler\0")
    return module


@pytest.fixture
def killed(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(health.os, "kill", lambda *what: found.append(what))
    return found


def says(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[str]:
    """Set the API server's answer (None: it has none). Return the requested addresses."""
    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        if answer is None:
            raise URLError("timed out")
        return io.BytesIO(json.dumps(answer).encode())

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def since(health: ModuleType, seconds: float) -> None:
    """Pretend that it has not worked for so long."""
    health.UNWELL.touch()
    then = health.UNWELL.stat().st_mtime - seconds
    os.utime(health.UNWELL, (then, then))


@pytest.mark.parametrize(
    ("component", "answer", "why", "its_own"),
    [
        ("scheduler", WELL, "", True),
        ("scheduler", HANGS, "scheduler: unhealthy", True),
        ("scheduler", NO_DATABASE, "metadatabase: unhealthy", False),
        ("scheduler", None, "no answer of the API server: <urlopen error timed out>", False),
        ("api-server", HANGS, "", True),
        ("api-server", NO_DATABASE, "metadatabase: unhealthy", False),
        ("api-server", None, "no answer of the API server: <urlopen error timed out>", True),
    ],
)
def test_what_is_wrong_and_with_whom(
    health: ModuleType, monkeypatch: pytest.MonkeyPatch, component: str, answer: Any, why: str, its_own: bool
) -> None:
    [host] = {"127.0.0.1"} if component == "api-server" else {"api-server"}
    asked = says(monkeypatch, answer)
    assert health.unwell(component) == (why, its_own)
    assert asked == [f"http://{host}:8080/api/v2/monitor/health"]


def test_what_hangs_is_killed_after_five_minutes(
    health: ModuleType, killed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, HANGS)
    assert health.main("scheduler") == "scheduler: unhealthy" and killed == []
    since(health, 290)
    assert health.main("scheduler") == "scheduler: unhealthy" and killed == []
    since(health, 301)
    assert health.main("scheduler") == "scheduler: unhealthy"
    assert killed == [(-1, signal.SIGKILL)]
    said = health.LOG.read_text()
    assert said.startswith("nightlite: scheduler: unhealthy for 301 s: killed, ")
    assert f"\n  {os.getpid()} " in said


def test_nothing_is_killed_outside_a_container(
    health: ModuleType, killed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    health.FIRST.write_bytes(b"/sbin/init\0splash\0")
    says(monkeypatch, None)
    since(health, 1000)
    assert health.main("api-server").startswith("no answer of the API server")
    assert killed == []


@pytest.mark.parametrize("between", [WELL, NO_DATABASE, None])
def test_the_time_counts_again_after_a_look_at_which_it_worked_or_something_else_did_not(
    health: ModuleType, killed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, between: Any
) -> None:
    since(health, 1000)
    says(monkeypatch, between)
    health.main("scheduler")
    says(monkeypatch, HANGS)
    health.main("scheduler")
    assert killed == [] and health.UNWELL.exists()
