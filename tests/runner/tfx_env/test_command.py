"""`nightlite tfx-env`: its help, its exit codes, and what it prints."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightlite.runner.tfx_env import command
from nightlite.runner.tfx_env.host import SetupError

CLI = CliRunner()


def test_its_help_has_an_example_and_the_exit_codes() -> None:
    text = CLI.invoke(command.app, ["tfx-env", "--help"]).output
    assert "nightlite tfx-env /opt/tfx" in text and "Exit code" in text
    assert "tfx-env [OPTIONS] [DIR]" in text


def test_it_prints_the_interpreter_and_says_how_to_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "make_tfx_env", lambda folder: folder / "bin" / "python")
    done = CLI.invoke(command.app, ["tfx-env", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path}/bin/python\n")
    assert "tfx-env: done; next: nightlite compile " in done.stderr
    assert f"set NIGHTLITE_TFX_PYTHON={tmp_path}/bin/python" in done.stderr


def test_what_the_host_lacks_is_one_line_and_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> Path:
        raise SetupError("expected a C++ compiler", 3)

    monkeypatch.setattr(command, "make_tfx_env", refuse)
    done = CLI.invoke(command.app, ["tfx-env", str(tmp_path)])
    assert (done.exit_code, done.stdout, done.stderr) == (3, "", "tfx-env: expected a C++ compiler\n")
