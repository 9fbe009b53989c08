"""Reference of the commands, from the tables that `nightlite --help` and the shells' completion read."""

import textwrap

from nightlite.deployment.cli import usage
from nightlite.deployment.command_line.known_options import KnownCommand, Option, known_commands
from nightlite.deployment.command_line.table import COMMANDS, GROUPS, WITH_OPTIONS_OF_A_MODEL, of_group

_ENVIRONMENTS = {"airflow": "Airflow's environment", "tfx": "TFX's environment", "either": "either environment"}


def overview() -> str:
    """Return what `nightlite --help` prints."""
    return f"\n```text\n{usage()}\n```\n\n"


def commands() -> str:
    """Return a section for each command, in the groups of `nightlite --help`."""
    return "\n" + "\n".join(f"## {group}\n\n" + "\n".join(map(_command, of_group(group))) for group in GROUPS) + "\n"


def _command(name: str) -> str:
    known = known_commands()
    inner = [words for words in known if words.startswith(f"{name} ")]
    more = " Further options come from the model: its `--help` shows them." if name in WITH_OPTIONS_OF_A_MODEL else ""
    found = known.get(name, KnownCommand(COMMANDS[name].about, [], []))
    start = f"### {name}\n\n{_about(found)}\n\nRuns in {_ENVIRONMENTS[COMMANDS[name].side]}.{more}\n"
    return "\n".join([start, *([] if inner else [_usage(name, found)]), *(_inner(words, known) for words in inner)])


def _inner(words: str, known: dict[str, KnownCommand]) -> str:
    return f"#### {words}\n\n{_about(known[words])}\n\n{_usage(words, known[words])}"


def _about(command: KnownCommand) -> str:
    paragraphs = (" ".join(part.split()) for part in command.about.split("\n\n"))
    return "\n\n".join(textwrap.fill(part, 118, break_on_hyphens=False) for part in paragraphs)


def _usage(words: str, command: KnownCommand) -> str:
    places = "".join(f" {argument.names[0]}" for argument in command.arguments)
    options = " [OPTION ...]" if command.options else ""
    rows = [_row(option) for option in (*command.arguments, *command.options)]
    table = ["| | |", "| --- | --- |", *rows, ""] if rows else []
    return "\n".join([f"    nightlite {words}{places}{options}", "", *table])


def _row(option: Option) -> str:
    about = option.about.replace("|", "\\|")
    return f"| `{', '.join(option.names)}{f' {option.metavar}' if option.metavar else ''}` | {about} |"
