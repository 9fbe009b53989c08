"""Progress of an ingest, on a terminal."""

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def shown(items: Iterable[T], text: str, total: int | None = None) -> Iterable[T]:
    """Return the items, with a bar on standard error while they are taken. Elsewhere than on a terminal, only them."""
    console = Console(stderr=True)
    return track(items, text, total, console=console, transient=True, disable=not console.is_terminal)
