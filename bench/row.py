"""The result of a measurement: one row, and the file and the table of them."""

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from rich.console import Group
from rich.table import Table

from nightlite import durable
from nightlite.errors import NightliteError


class Row(BaseModel):
    """One figure beside its yardstick, on one machine.

    Attributes:
      ours, yardstick: medians over `runs`, in `unit`. Without a yardstick, the row is a yardstick itself.
      ratio: ours / yardstick.
      better: whether a lower or a higher `ours` is the better one.
      spread: largest minus smallest of ours; None for a single run.
      what: the measured quantity and its yardstick, in words.
      machine: cores, memory, load, date and revision of the measurement.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    ours: float
    yardstick: float | None
    ratio: float | None
    better: Literal["lower", "higher"]
    runs: int
    spread: float | None
    what: str
    machine: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        unit: str,
        ours: Sequence[float],
        yardstick: Sequence[float] = (),
        *,
        what: str,
        better: Literal["lower", "higher"] = "lower",
    ) -> Self:
        """Return the row of one or more runs of ours, and of any number of the yardstick's."""
        middle = statistics.median(ours)
        against = statistics.median(yardstick) if yardstick else None
        return cls(
            name=name,
            unit=unit,
            ours=_rounded(middle),
            yardstick=None if against is None else _rounded(against),
            ratio=_rounded(middle / against) if against else None,
            better=better,
            runs=len(ours),
            spread=_rounded(max(ours) - min(ours)) if len(ours) > 1 else None,
            what=what,
        )


_ROWS = TypeAdapter(list[Row])


def read(path: Path) -> list[Row]:
    """Return the rows of an earlier bench, or none without a file.

    Raises:
      NightliteError: the file holds something else.
    """
    try:
        return _ROWS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        reason = getattr(error, "strerror", None) or "something else"
        raise NightliteError(f"expected a list of bench rows in {path}. Received: {reason}. Move it away") from None


def merged(before: Iterable[Row], now: Iterable[Row]) -> list[Row]:
    """Return each row's last measurement, in the order in which the names first appeared."""
    rows = {row.name: row for row in before}
    rows.update({row.name: row for row in now})
    return list(rows.values())


def write(rows: Iterable[Row], path: Path) -> None:
    """Write a JSON list with one object per row, whole or not at all.

    Raises:
      NightliteError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(path, f"{json.dumps([row.model_dump() for row in rows], indent=1)}\n".encode())
    except OSError as error:
        raise NightliteError(f"{path} cannot be written: {error.strerror}. Choose another with --output") from None


def table(rows: Sequence[Row], title: str) -> Group:
    """Return the rows as a table, with an explanation of each below. A ratio on the better side of 1 is green."""
    figures = Table(title=title, title_justify="left")
    for column in ("name", "unit"):
        figures.add_column(column, no_wrap=True)
    for column in ("ours", "yardstick", "ratio", "runs", "spread"):
        figures.add_column(column, justify="right", no_wrap=True)
    # Below, because 80 columns have no room for a sentence beside the figures.
    meanings = Table("name", "ours | yardstick", box=None, pad_edge=False)
    for row in rows:
        cells = (_shown(row.ours), _shown(row.yardstick), _ratio(row), str(row.runs), _shown(row.spread))
        figures.add_row(row.name, row.unit, *cells)
        meanings.add_row(row.name, row.what)
    return Group(figures, meanings)


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    good = row.ratio <= 1 if row.better == "lower" else row.ratio >= 1
    return f"[{'green' if good else 'yellow'}]{_shown(row.ratio)}[/]"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if abs(value) < 10_000 else float(round(value))


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
