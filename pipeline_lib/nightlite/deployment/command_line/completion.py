"""Completion in a shell: the words that may follow, from tables alone, since an app takes seconds to import.

Stdlib only.
"""

from nightlite.deployment.command_line.known_options import KnownCommand, known_commands
from nightlite.deployment.command_line.table import COMMANDS
from nightlite.paths import SOURCES

SHELLS = ("bash", "zsh", "fish")
_MODELS_OF = ("--model", "--like")


def completions(words: list[str]) -> list[str]:
    """Return what the last word may become, given those before it. None: the shell offers files.

    Args:
      words: those after `nightlite`, the last one unfinished, or empty.
    """
    *before, word = words or [""]
    return sorted(found for found in _all(before, word) if found.startswith(word))


def _all(before: list[str], word: str) -> list[str]:
    commands = known_commands()
    if not before or before == ["help"]:
        return [*COMMANDS, "help", "--help", "--version"]
    if before[-1] in _MODELS_OF:
        return models()
    name = " ".join(before[:2]) if " ".join(before[:2]) in commands else before[0]
    if name not in commands:
        return []
    found = commands[name]
    if _takes_value(found, before[-1]):
        return []
    if word.startswith("-"):
        return ["--help", *(option for known in found.options for option in known.names if option.startswith("--"))]
    inner = [other.removeprefix(f"{name} ") for other in commands if other.startswith(f"{name} ")]
    if name == "check-model":
        return models()
    return list(SHELLS) if name == "completion" else inner


def _takes_value(command: KnownCommand, word: str) -> bool:
    return any(word in option.names and option.metavar for option in command.options)


def models() -> list[str]:
    """Return the models' names, by their folders alone."""
    return sorted(file.parent.name for file in (SOURCES / "models").glob("*/on_device.py"))
