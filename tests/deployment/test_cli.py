"""`nightlite` before it hands over to a command, and the exit codes of the commands' errors."""

import re
import sys

import pytest

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
