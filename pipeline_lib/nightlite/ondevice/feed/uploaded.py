"""Record of the newest feed that a bucket has. It is no part of the feed: phones do not read it."""

import contextlib
from pathlib import Path

from pydantic import ValidationError

from nightlite import durable
from nightlite.ondevice.feed.document import DOCUMENT_FILE, Document
from nightlite.ondevice.folders import ModelFolders

_FILE = "uploaded_feed"


def document_in(feed: Path) -> Document | None:
    """Return what a local feed's stable channel says now, unchecked, or None if it says nothing."""
    with contextlib.suppress(OSError, ValidationError):
        return Document.model_validate_json((feed / "stable" / DOCUMENT_FILE).read_bytes())
    return None


def note(folders: ModelFolders, document: Document | None) -> None:
    """Write down that a bucket says the same."""
    if document:
        durable.write(folders.root / _FILE, f"{document.sequence}\n".encode())


def is_noted(folders: ModelFolders, document: Document) -> bool:
    """Return whether a bucket says the same, as far as is known here."""
    with contextlib.suppress(OSError):
        return (folders.root / _FILE).read_text(encoding="utf-8").strip() == str(document.sequence)
    return False
