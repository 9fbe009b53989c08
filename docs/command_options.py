"""Writer of the table of commands' options that completion reads: python -m docs.command_options (`make docs`)."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import typer

from nightlite.deployment.command_line.known_options import FILE
from nightlite.deployment.command_line.table import COMMANDS, OF_TABLES
from nightlite.paths import PROJECT

Row = tuple[list[str], str, str]


def text() -> str:
    """Return the table as the apps declare it now, in JSON. TFX's apps are asked in their own environment."""
    command = [str(PROJECT / ".venvs" / "tfx" / "bin" / "python"), "-m", "docs.command_options", "tfx"]
    paths = os.pathsep.join((str(PROJECT / "pipeline_lib"), str(PROJECT)))
    of_tfx = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=True)
    found = {**_rows("airflow"), **_rows("either"), **json.loads(of_tfx.stdout)}
    ordered = {words: found[words] for name in COMMANDS for words in found if words.split()[0] == name}
    lines = [f"{json.dumps(words)}: {json.dumps(row, ensure_ascii=False)}" for words, row in ordered.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rows(side: str) -> dict[str, Any]:
    """Return the commands of one side."""
    rows: dict[str, Any] = {}
    for name, command in COMMANDS.items():
        if command.side == side:
            app = importlib.import_module(command.module or OF_TABLES).app
            for words, found in _commands(typer.main.get_command(app)):
                if words.split()[0] == name:
                    rows[words] = [inspect.cleandoc(found.help or ""), *_parameters(found)]
            rows.setdefault(name, [command.about, [], []])  # run-node reads its options without typer
    return rows


def _commands(command: Any, words: str = "") -> Iterator[tuple[str, Any]]:
    if words:
        yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{words} {name}".strip())


def _parameters(command: Any) -> tuple[list[Row], list[Row]]:
    """Return the arguments and the options."""
    arguments: list[Row] = []
    options: list[Row] = []
    for parameter in command.params:
        about = " ".join((parameter.help or "").split())
        if parameter.param_type_name == "argument":
            arguments.append(([parameter.metavar or str(parameter.name).upper()], "", about))
        elif parameter.name != "help":
            metavar = "" if parameter.is_flag else parameter.metavar or "VALUE"
            options.append(([*parameter.opts, *parameter.secondary_opts], metavar, about))
    return arguments, options


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(_rows(sys.argv[1])))
    else:
        FILE.write_text(text(), encoding="utf-8")
