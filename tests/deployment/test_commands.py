"""`nightlite trigger` without an Airflow: what its help tells, what it refuses, what its exit code says."""

import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from models.mnist.on_device import MODEL
from nightlite.deployment.cli import run_commands
from nightlite.deployment.client.commands import app
from nightlite.deployment.client.runs import RunStatus, summary_lines
from nightlite.ondevice.results.run_summary import RunSummary
from nightlite.ondevice.run_parameters import parameters
from nightlite.runner import parameter_text


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command against an Airflow that must not be asked."""

    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("Airflow was asked")

    monkeypatch.setattr(httpx.Client, "send", no_network)
    for name, value in {"URL": "http://127.0.0.1:9", "TOKEN": "x"}.items():
        monkeypatch.setenv(f"NIGHTLITE_{name}", value)
    return lambda *arguments: CliRunner(env={"COLUMNS": "120"}).invoke(app, arguments)


def test_the_help_tells_every_run_parameter_its_type_bounds_and_default(command: Callable[..., Result]) -> None:
    told = " ".join(command("trigger", "--help").output.replace("│", " ").split())
    assert "epochs: int, 1 to 500, default 12. Passes over the training split; at least 30 steps each." in told
    assert "push: str, yes, even if no better, dry run, default yes." in told
    for parameter in parameters(MODEL):
        bounds, default = parameter_text.bounds(parameter).replace("`", ""), parameter_text.default(parameter)
        assert f"{parameter.name}: {parameter.type}, {bounds}, default {default}." in told
        assert bounds and default


@pytest.mark.parametrize(
    "arguments",
    [
        ("--param", "min_accuracy=NaN"),
        ("--param", "min_accuracy=1e999"),
        ("--param", "epochs"),
    ],
)
@pytest.mark.usefixtures("command")
def test_what_no_request_can_say_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nightlite", "trigger", "--model=mnist", *arguments])
    assert run_commands(app) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("nightlite: --param: expected ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("state", "summary", "exit_code"),
    [
        ("success", {"blessed": True, "pushed": "/pushed/7", "outcome": "released"}, 0),
        ("success", {"blessed": True, "pushed": "/pushed/7", "outcome": "nothing_new"}, 0),
        ("success", {"blessed": True, "outcome": "dry_run"}, 0),
        ("success", {"blessed": False, "outcome": "refused"}, 3),
        ("success", {"blessed": True, "outcome": "rolled_back"}, 3),
        ("success", {"blessed": True, "outcome": "older_data"}, 3),
        ("success", {"blessed": True, "outcome": "no_better", "pushed_why": "dry run in words alone"}, 3),
        ("success", {"blessed": True, "outcome": "not_approved"}, 3),
        ("success", {"blessed": True}, 3),
        ("success", {}, 3),
        ("failed", {"outcome": "failed"}, 1),
        ("running", {}, 0),
        ("queued", {"blessed": False}, 0),
    ],
)
def test_the_exit_code_tells_a_run_by_what_came_of_it(state: str, summary: dict[str, Any], exit_code: int) -> None:
    found = RunStatus(run_id="r", state=state, conf={}, note=None, url="", nodes={}, summary=RunSummary(**summary))
    assert found.exit_code == exit_code


def test_a_run_that_failed_before_its_gates_is_not_called_unjudged() -> None:
    """DataGate may have judged its data: the failure tells."""
    assert summary_lines(RunSummary(), "failed") == ["Release: nothing was pushed"]
    judged = summary_lines(RunSummary(blessed=False, blessed_why="max_loss"), "failed")
    assert judged == ["Not blessed: max_loss", "Release: nothing was pushed"]
    assert summary_lines(RunSummary(), "success")[0].startswith("Not judged")
    assert summary_lines(RunSummary(blessed=True, pushed="/p/7"), "success")[1] == "Release: pushed to /p/7"
