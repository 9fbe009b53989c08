"""Progress of an ingest: a bar on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")
_SECONDS = 10


def shown(
    items: Iterable[T], text: str, total: int | None = None, unit: str = "", size: Callable[[T], int] = lambda _: 1
) -> Iterable[T]:
    """Return the items. While they are taken, standard error says how far it is.

    On a terminal that is a bar. Elsewhere it is a line about every ten seconds, and none of what takes less.

    Args:
      total: the number of items, if it is known.
      unit: what the items are, for the lines.
      size: how much an item counts in the lines.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        return track(items, text, total, console=console, transient=True)
    return _with_lines(items, text, total, unit, size)


def _with_lines(items: Iterable[T], text: str, total: int | None, unit: str, size: Callable[[T], int]) -> Iterator[T]:
    done, said = 0, time.monotonic()
    for item in items:
        yield item
        done += size(item)
        if time.monotonic() >= said + _SECONDS:
            said = time.monotonic()
            of = f" of {total:,}" if total is not None else ""
            print(f"{text}: {done:,}{of} {unit}".rstrip(), file=sys.stderr, flush=True)
