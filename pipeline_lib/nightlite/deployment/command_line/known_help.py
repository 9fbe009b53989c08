"""Help of a command whose environment is not there yet. Stdlib only."""

import textwrap
from collections.abc import Iterable

from nightlite.deployment.command_line.known_options import KnownCommand, Option, known_commands

_WIDTH = 80


def known_help(arguments: list[str]) -> str:
    """Return the help of the command that these words name, or of its first word's."""
    commands = known_commands()
    words = " ".join(arguments[:2])
    name = words if words in commands else arguments[0]
    inner = [other for other in commands if other.startswith(f"{name} ")]
    found = commands[name]
    places = "".join(f" {argument.names[0]}" for argument in found.arguments)
    lines = [f"usage: nightlite {name}{' COMMAND' if inner else places} [OPTION ...]", "", *_wrapped(found.about)]
    if inner:
        lines += ["", *_table((other.removeprefix(f"{name} "), _first(commands[other])) for other in inner)]
    if rows := [_row(option) for option in (*found.arguments, *found.options)]:
        lines += ["", *_table(rows)]
    return "\n".join(lines)


def _first(command: KnownCommand) -> str:
    return command.about.partition("\n\n")[0]


def _wrapped(text: str) -> list[str]:
    return "\n\n".join(textwrap.fill(" ".join(part.split()), _WIDTH) for part in text.split("\n\n")).splitlines()


def _row(option: Option) -> tuple[str, str]:
    return f"{', '.join(option.names)} {option.metavar}".strip(), option.about


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, about in rows:
        start = f"  {name:<20} "
        lines += textwrap.fill(about or "", _WIDTH, initial_indent=start, subsequent_indent=" " * 23).splitlines() or [
            start.rstrip()
        ]
    return lines
