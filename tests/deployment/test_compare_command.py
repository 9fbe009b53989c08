"""`nightlite compare`: what it prints and writes, and its exit code."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nightlite.deployment.cli import run_commands
from nightlite.deployment.in_tfx import compare_command
from nightlite.errors import DataError, NightliteError, NoReleaseError
from tests.ondevice.report.made_comparison import MADE

Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command on a made-up comparison, or on an error. Return its exit code."""

    def run(*arguments: str, error: NightliteError | None = None) -> int:
        def compared(*_: object) -> object:
            if error:
                raise error
            return MADE

        monkeypatch.setattr(compare_command, "_compared", compared)
        monkeypatch.setattr(compare_command, "_write", lambda found, page: page.write_text(found.verdict))
        monkeypatch.setattr(sys, "argv", ["nightlite", "compare", *arguments])
        try:
            return run_commands(compare_command.app)
        except SystemExit as ended:
            return int(ended.code or 0)

    return run


def test_it_prints_tables_and_writes_a_page_if_asked_to(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert command("6", "7", "--model", "mnist", "-o", str(page)) == 0
    assert page.read_text() == MADE.verdict
    out, err = capsys.readouterr()
    assert MADE.verdict in out and out.endswith(f"The page: {page}\n") and err == ""


def test_json_has_the_figures_and_no_pictures(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("6", "7", "--model", "mnist", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["paired"]["won"], found["differing"], found["figures"][0]["b"]) == (1, 30, 0.9475)
    assert found["shown"][0]["values"] == {"height": [12.5]}
    assert "card" not in found and "png" not in found["shown"][0]


@pytest.mark.parametrize(
    ("error", "code"), [(DataError("the data is gone"), 1), (NoReleaseError("there is no release 9"), 2)]
)
def test_what_cannot_be_compared_is_one_sentence_and_an_unknown_name_is_usage(
    command: Command, error: NightliteError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("6", "9", "--model", "mnist", error=error) == code
    assert capsys.readouterr() == ("", f"nightlite: {error}\n")


def test_a_page_in_no_folder_is_refused_before_anything_runs(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("6", "7", "--model", "mnist", "-o", str(tmp_path / "no" / "page.html")) == 2
    assert "--output: expected a file in a folder that exists. Received: " in capsys.readouterr().err
