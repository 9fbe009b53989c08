"""File `history.jsonl`: every change of a folder of releases, with user, time and reason.

No line is ever removed.
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.ondevice.rollout.event import Event

HISTORY_FILE = "history.jsonl"


def read(folder: Path) -> list[Event]:
    """Return every event, oldest first.

    Raises:
      ReleaseError: the file cannot be read, or a line is not an event. The message names the line.
    """
    path = folder / HISTORY_FILE
    try:
        content = _content(path)
    except OSError as error:
        raise ReleaseError(f"{path}: the history cannot be read: {error.strerror}") from None
    events = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            events.append(Event.model_validate_json(line))
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            received = line[:60].decode("utf-8", "backslashreplace")
            raise ReleaseError(f"{path}, line {number}: not an event ({why}). Received: {received!r}") from None
    return events


def withdrawn(events: Iterable[Event]) -> dict[str, Event]:
    """Return the files that someone halted or rolled back from, by sha256, with that event.

    A rollback withdraws every release newer than its target, and restores its target. So does a rollout.
    """
    pushed: dict[int, str] = {}
    found: dict[str, Event] = {}
    for event in events:
        if event.action == "push":
            pushed[event.version] = event.sha256
        elif event.action == "halt":
            found.setdefault(event.sha256, event)
        elif event.action == "rollback":
            for version, sha256 in pushed.items():
                # This includes a newer one whose interrupted push did not move `latest`. It may be retried.
                if event.version < version:
                    found.setdefault(sha256, event)
        if event.action in ("rollback", "rollout"):
            found.pop(event.sha256, None)
    return found


def append(folder: Path, event: Event) -> None:
    """Add an event. The file is replaced whole, so that no reader and no crash sees half a line."""
    path = folder / HISTORY_FILE
    durable.write(path, _content(path) + event.model_dump_json().encode() + b"\n")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
