"""Commands' options as the apps declare them: `make docs` writes options.json, so that no app need be imported.

Stdlib only.
"""

import json
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("options.json")


class Option(NamedTuple):
    """One option. A flag has no `metavar`."""

    names: list[str]
    metavar: str
    about: str


class KnownCommand(NamedTuple):
    """A command of two words or one, such as "models list"."""

    about: str
    arguments: list[Option]
    options: list[Option]


def known_commands() -> dict[str, KnownCommand]:
    """Return every command by its words. A group of commands is there, too."""
    return {
        words: KnownCommand(about, [Option(*item) for item in arguments], [Option(*item) for item in options])
        for words, (about, arguments, options) in json.loads(FILE.read_text(encoding="utf-8")).items()
    }
