"""`nightlite` before it hands over to a command, and the exit codes of the commands' errors."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment import cli
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
from tests.declared import declared_models
from tests.tiny_table.on_device import MODEL as TABLE


def test_it_tells_its_version_which_is_pyprojects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nightlite", "--version"])
    assert cli.main() == 0
    [declared] = re.findall(r'^version = "(.*)"$', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    assert re.match(rf"nightlite {re.escape(declared)}, revision \S+\n$", capsys.readouterr().out)


def test_a_wheel_tells_the_version_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "IS_CHECKOUT", False)
    monkeypatch.setattr(importlib.metadata, "version", {"nightlite": "0.1.2"}.__getitem__)
    assert cli.version().startswith("nightlite 0.1.2, revision ")


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


def test_without_models_the_runners_commands_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "SOURCES", tmp_path)
    first, runner, others, *_ = cli.usage().split("\n\n")[1:]
    assert "TFX" in first and "model" not in first
    assert [line.split()[0] for line in runner.splitlines()[1:]] == [
        "tfx-env",
        "compile",
        "run-local",
        "run-node",
        "beam-pool",
    ]
    heading, *lines = others.splitlines()
    assert "deployment of models" in heading and "docs/your-own-model.md" in heading
    assert {line.split()[0] for line in lines} == set(cli.COMMANDS) - set(cli.RUNNER)


@pytest.mark.parametrize("name", ["demo", "trigger", "ingest", "predict"])
def test_help_of_a_command_with_a_models_options_needs_no_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(cli, "SOURCES", tmp_path)
    monkeypatch.setattr(sys, "argv", ["nightlite", name, "--help"])
    assert cli.main() == 0
    assert capsys.readouterr().out.startswith(f"usage: nightlite {name} [OPTION ...]\n\n{cli.COMMANDS[name][2]}\n")


def test_predict_is_the_models_own_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(cli.os, "execv", lambda _, command: asked.append(command[1:]))
    for options in ([], ["--model", "flowers"], ["--model=flowers"]):
        for predict, code in (("models.flowers.asking", 0), ("", 2)):
            found = {"flowers": MODEL.model_copy(update={"name": "flowers", "predict": predict})}
            if options:
                found |= {"mnist": MODEL}
            monkeypatch.setattr(sys, "argv", ["nightlite", "predict", "one.png", *options, "--json"])
            with declared_models(found):
                assert cli.main() == code
            said = capsys.readouterr().err
    assert asked == [["-m", "models.flowers.asking", "predict", "one.png", "--json"]] * 3
    assert said.startswith("nightlite: expected a model with a command 'predict'") and "Received: flowers" in said


def test_predict_of_a_table_is_the_librarys_which_is_told_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(cli.os, "execv", lambda _, command: asked.append(command[2:]))
    monkeypatch.setattr(sys, "argv", ["nightlite", "predict", "rows.csv"])
    with declared_models({TABLE.name: TABLE}):
        assert cli.main() == 0
    assert asked == [["nightlite.deployment.in_tfx.predict_command", "predict", "rows.csv", "--model", TABLE.name]]


def test_predict_asks_for_the_models_name_where_there_are_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["one.png"], "expected --model NAME, because this deployment has 2 models (flowers, mnist). Received: none"),
        (["one.png", "--model"], "--model: expected the name of a model. Received: none"),
        (["--model", "flower"], "Did you mean flowers? --model: expected a model of this deployment (flowers, mnist)."),
    ):
        monkeypatch.setattr(sys, "argv", ["nightlite", "predict", *arguments])
        with declared_models({"flowers": MODEL.model_copy(update={"name": "flowers"}), "mnist": MODEL}):
            assert cli.main() == 2
        assert said in capsys.readouterr().err


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
