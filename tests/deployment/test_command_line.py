"""The command line itself: `./nightlite`, completion in a shell, and help where an environment is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import command_options
from nightlite.deployment import cli
from nightlite.deployment.command_line.completion import completions
from nightlite.deployment.command_line.known_help import known_help
from nightlite.deployment.command_line.known_options import FILE, known_commands
from nightlite.deployment.command_line.table import COMMANDS
from nightlite.paths import PROJECT


def test_the_table_of_options_is_what_the_apps_declare() -> None:
    assert FILE.read_text(encoding="utf-8") == command_options.text(), "run 'make docs'"
    assert known_commands().keys() >= COMMANDS.keys()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sta"], {"status"}),
        (["models", ""], {"list", "show", "verify", "rollback", "rollout", "halt", "prune", "export"}),
        (["models", "list", "--h"], {"--help", "--history"}),
        (["trigger", "--model", ""], {"mnist", "penguins"}),
        (["new", "shop", "--like", "p"], {"penguins"}),
        (["check-model", "m"], {"mnist"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["ingest", ""], set()),
        (["run-local", "--run-id", ""], set()),
        (["no-such", ""], set()),
    ],
)
def test_a_word_is_completed(words: list[str], expected: set[str]) -> None:
    assert set(completions(words)) == expected


def test_completing_imports_no_app() -> None:
    program = "import sys; from nightlite.deployment import cli; cli.main(); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program, "--words", "ingest", "--"], capture_output=True, text=True, check=True
    )
    assert "--model" in done.stdout.split()
    assert not {name.partition(".")[0] for name in done.stderr.split()} & {"pydantic", "models", "typer", "airflow"}


@pytest.mark.skipif(not shutil.which("bash"), reason="NOT TESTED: completion in bash, which is not here")
def test_bash_completes_with_the_script_that_completion_prints() -> None:
    program = f"""
    eval "$({sys.executable} -m nightlite.deployment.cli completion bash)"
    COMP_WORDS=({PROJECT}/nightlite models li) COMP_CWORD=2
    nightlite() {{ :; }}
    COMP_WORDS[0]=$ASK
    _nightlite; echo "${{COMPREPLY[@]}}"
    """
    here = Path(sys.executable).with_name("nightlite")
    env = {**os.environ, "ASK": str(here), "PYTHONPATH": str(PROJECT / "pipeline_lib")}
    done = subprocess.run(["bash", "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "list\n"


def checkout(folder: Path, with_environment: bool) -> Path:
    folder.mkdir(parents=True)
    command = Path(shutil.copy(PROJECT / "nightlite", folder))
    if with_environment:
        python = folder / ".venvs" / "airflow" / "bin" / "nightlite"
        python.parent.mkdir(parents=True)
        python.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 3\n')
        python.chmod(0o755)
    return command


def test_the_checkouts_command_is_found_through_links_from_anywhere(tmp_path: Path) -> None:
    command = checkout(tmp_path / "a checkout", with_environment=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "other").symlink_to("../a checkout/nightlite")
    link = tmp_path / "bin" / "nightlite"
    link.symlink_to("other")
    for called in (command, link):
        done = subprocess.run(
            [called, "runs", "two words"], cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
        )
        assert (done.stdout, done.returncode) == ("runs|two words|", 3)


def test_without_an_environment_it_says_what_to_run(tmp_path: Path) -> None:
    done = subprocess.run([checkout(tmp_path / "new", with_environment=False)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("nightlite: expected the environments") and "'make setup'" in done.stderr


@pytest.mark.parametrize("words", [["ingest"], ["models"], ["models", "list"], ["predict"]])
def test_help_of_tfxs_commands_needs_no_tfx_environment(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "_tfx_python", lambda: tmp_path / "python")
    monkeypatch.setattr(sys, "argv", ["nightlite", *words, "--help"])
    assert cli.main() == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: nightlite {' '.join(words)} ")
    assert all(option.names[0] in told for option in known_commands()[" ".join(words)].options)
    assert f"none at {tmp_path}/python: run 'make setup'" in told
    assert max(map(len, known_help(words).splitlines())) <= 80


def test_help_as_a_word_is_the_option(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for arguments in (["help"], ["--help"]):
        monkeypatch.setattr(sys, "argv", ["nightlite", *arguments])
        assert cli.main() == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] and max(map(len, told[0].splitlines())) <= 80
