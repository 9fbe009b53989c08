"""The `--help` of typer apps, on a terminal so wide that each paragraph that flows is one line."""

import inspect
from collections.abc import Iterator

import click
import typer
from typer.testing import CliRunner


def help_of(app: typer.Typer, *command: str) -> str:
    """Return the help of a command."""
    return CliRunner(env={"COLUMNS": "1000"}).invoke(app, [*command, "--help"]).output


def broken_paragraphs(app: typer.Typer) -> list[str]:
    """Return the paragraphs of the commands' docstrings that are not one line of their help."""
    found = []
    for path, command in _commands(typer.main.get_command(app), ()):
        told = {line.strip() for line in help_of(app, *path).splitlines()}
        paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
        found += [text for part in paragraphs if (text := " ".join(part.split())) not in told]
    return found


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from _commands(child, (*path, name))
