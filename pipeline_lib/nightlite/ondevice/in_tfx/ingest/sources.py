"""The source that a user names, and the labels in it."""

from collections.abc import Sequence
from pathlib import Path

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import NoSourceError
from nightlite.ondevice.model import OnDeviceModel


def find(model: OnDeviceModel, source: str, form: str, may_be_file: bool = False) -> Path:
    """Return the absolute path of a source. A folder with the name of one of the model's sources is `./iris`.

    Args:
      form: the kind of path that the model takes, in words.

    Raises:
      NoSourceError: there is nothing of that name, or a file where the model takes none.
    """
    path = Path(source).expanduser().absolute()
    if path.is_dir() or (path.exists() and may_be_file):
        return path
    known = " or ".join(filter(None, [", ".join(map(repr, model.sources)), form]))
    hint = did_you_mean([source], model.sources)
    found = "a file" if path.exists() else "no such file or folder" if may_be_file else "no such folder"
    expected = "Expected" if hint else "expected"
    raise NoSourceError(f"{hint}{expected} a source: {known}. Received: {source!r}, {found}")


def names_and_indices(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the words that stand for a label, first the names and then the indices. Each half is in the labels' order.

    Where a label's name is a number itself, as 1 to 3 for three classes, an index would be ambiguous.
    """
    if any(label.isdecimal() for label in labels):
        return tuple(labels)
    return (*labels, *map(str, range(len(labels))))


def listed(words: Sequence[str]) -> str:
    """Return the first words for a message."""
    shown = 12
    more = f" and {len(words) - shown} more" if len(words) > shown else ""
    return ", ".join(words[:shown]) + more
