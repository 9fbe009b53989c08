"""`nightlite` before it hands over to a command, and the exit codes of the commands' errors."""

import re
import subprocess
import sys

import pytest

from nightlite.deployment import cli
from nightlite.deployment.models import the_model
from nightlite.errors import (
    DataError,
    NightliteError,
    NodeRequestError,
    NoReleaseError,
    NoRunError,
    NoSourceError,
    ReleaseError,
    RunRefusedError,
    SettingsError,
    StackError,
    UsageError,
)
from nightlite.paths import PROJECT


def test_it_tells_its_version_which_is_pyprojects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nightlite", "--version"])
    assert cli.main() == 0
    [declared] = re.findall(r'^version = "(.*)"$', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    assert re.match(rf"nightlite {re.escape(declared)}, revision \S+\n$", capsys.readouterr().out)


def test_a_misspelt_command_is_usage_and_hints_at_the_right_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nightlite", "statsu"])
    assert cli.main() == 2
    assert capsys.readouterr().err.startswith("nightlite: Did you mean status? Expected one of demo, ")


def test_the_list_of_commands_imports_no_model_and_no_pydantic() -> None:
    program = "import sys; from nightlite.deployment import cli; cli.main(); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in done.stdout for name in cli.COMMANDS)
    imported = {name.partition(".")[0] for name in done.stderr.split()}
    assert "nightlite" in imported and not imported & {"pydantic", "models", "typer", "airflow"}


def test_predict_is_the_models_own_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(cli.os, "execv", lambda _, command: asked.append(command[1:]))
    monkeypatch.setattr(sys, "argv", ["nightlite", "predict", "one.png"])
    for predict, code in (("models.flowers.asking", 0), ("", 2)):
        model = the_model().model_copy(update={"predict": predict})
        monkeypatch.setattr("nightlite.deployment.models.the_model", lambda model=model: model)
        assert cli.main() == code
    assert asked == [["-m", "models.flowers.asking", "predict", "one.png"]]
    assert capsys.readouterr().err.startswith("nightlite: expected a model with a command 'predict'")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        *((kind, 2) for kind in (UsageError, NodeRequestError, NoSourceError, NoReleaseError, NoRunError)),
        (RunRefusedError, 2),
        *((kind, 1) for kind in (NightliteError, SettingsError, DataError, ReleaseError, StackError)),
    ],
)
def test_an_error_is_one_line_and_what_was_asked_wrongly_exits_2(
    kind: type[NightliteError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(prog_name: str) -> None:
        raise kind("expected this. Received: that")

    assert cli.run_commands(app) == code
    assert capsys.readouterr().err == "nightlite: expected this. Received: that\n"
