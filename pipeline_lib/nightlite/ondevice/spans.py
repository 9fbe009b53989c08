"""Spans: the numbered folders of training data, and their selection for a run.

    <data_dir>/span-1/train-00000-of-00001.tfrecord.gz
                      eval-00000-of-00001.tfrecord.gz
                      span.json                          a `Manifest`
               span-2/…                                  the newest has the highest number

A span appears whole, in one rename, and never changes. A model's `ingest` makes spans.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nightlite.errors import DataError

MANIFEST = "span.json"
LATEST = "latest"
_SPAN_NAME = re.compile(r"span-([1-9]\d*)")  # not span-01: one folder per number


class SplitManifest(BaseModel):
    """One split of a span: its content, and its files' sizes in bytes."""

    model_config = ConfigDict(frozen=True)

    examples: int
    per_class: tuple[int, ...]
    content_sha256: str
    shards: dict[str, int]


class Manifest(BaseModel):
    """Content, source and creation time of a span. A new `schema_version` is written differently.

    Attributes:
      values: each feature's way from a raw value to its own, which the content's hashes do not cover. Older spans
        have none.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    source: str
    created: datetime
    values: dict[str, str] = {}
    splits: dict[str, SplitManifest]

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each split's examples, by its name."""
        return {name: split.content_sha256 for name, split in self.splits.items()}

    def summary(self) -> dict[str, Any]:
        """Return the data's part of an Asset event: examples by split, and one sha256 of all the content."""
        content = "".join(f"{name} {digest}\n" for name, digest in sorted(self.digests().items()))
        examples = {name: split.examples for name, split in self.splits.items()}
        return {"examples": examples, "sha256": hashlib.sha256(content.encode()).hexdigest()}


@dataclass(frozen=True)
class Span:
    """A span on disk. `created` is False if `write_span` found the same examples already."""

    number: int
    path: Path
    manifest: Manifest
    created: bool = False

    def event(self) -> dict[str, Any]:
        """Return the extra of this span's Asset event."""
        return {"span": self.number, **self.manifest.summary()}

    def __str__(self) -> str:
        counts = " and ".join(f"{split.examples:,} {name}" for name, split in self.manifest.splits.items())
        if self.created:
            return f"{self.path.name}: {counts} examples from {self.manifest.source}"
        return f"{self.path.name} already holds exactly these {counts} examples: no new span"

    def require_whole(self) -> "Span":
        """Return this span if every file of its manifest exists with the right size.

        Raises:
          DataError: it names the file.
        """
        for split in self.manifest.splits.values():
            for name, size in split.shards.items():
                file = self.path / name
                try:
                    found = file.stat().st_size
                except OSError as error:
                    raise DataError(f"{file}: a span's file cannot be read: {error.strerror}; ingest again") from None
                if found != size:
                    raise DataError(f"{file}: expected {size:,} bytes. Received: {found:,}; ingest again")
        return self


def numbers(data_dir: Path) -> list[int]:
    """Return the numbers of all spans, whole or damaged, lowest first."""
    entries = data_dir.iterdir() if data_dir.is_dir() else ()
    return sorted(int(match[1]) for entry in entries if (match := _SPAN_NAME.fullmatch(entry.name)))


def read(data_dir: Path, number: int) -> Span:
    """Return one span from its manifest, without checking its files.

    Raises:
      DataError: there is no such span, or its manifest cannot be read.
    """
    path = data_dir / f"span-{number}"
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    except ValidationError as error:
        raise DataError(f"{path / MANIFEST}: not a span's manifest: {error.errors()[0]['msg']}; ingest again") from None
    except OSError as error:
        raise DataError(f"{error.filename}: a span's file cannot be read: {error.strerror}; ingest again") from None
    return Span(number, path, manifest)


def latest_span(data_dir: Path) -> Span | None:
    """Return the span of the highest number, or None if there is no span yet.

    Raises:
      DataError: that span has no readable manifest, or lacks a file that its manifest lists.
    """
    found = numbers(data_dir)
    return read(data_dir, found[-1]).require_whole() if found else None


def select(data_dir: Path, span: str = LATEST, window: int = 1, as_of: str = "") -> tuple[Span, ...]:
    """Return the spans that a run reads, lowest number first.

    Args:
      data_dir: the folder of spans.
      span: `latest`, or a span's number.
      window: the number of spans, up to that one; all of them if there are fewer.
      as_of: an ISO date and time (UTC without an offset). `latest` is then the newest span that existed at that time.
        Empty: the newest of all.

    Raises:
      DataError: there is no such span, none so early, or one of them is damaged. The message names it.
    """
    known = numbers(data_dir)
    if not known:
        raise no_span(data_dir)
    last = _last(data_dir, known, span, as_of)
    if last not in known:
        raise DataError(
            f"expected span {last} in {data_dir}. Received: no such span (the newest is {known[-1]}); "
            "ask for one that is there, or for 'latest'"
        )
    return tuple(
        read(data_dir, number).require_whole() for number in [item for item in known if item <= last][-window:]
    )


def no_span(data_dir: Path) -> DataError:
    """Return the error for a folder without a span."""
    return DataError(
        f"expected a span of data in {data_dir}. Received: none; "
        f"run 'nightlite ingest --model {data_dir.parent.name} SOURCE' first: 'nightlite ingest' lists the sources"
    )


def _last(data_dir: Path, known: list[int], span: str, as_of: str) -> int:
    if span != LATEST:
        try:
            return int(span)
        except ValueError:
            raise DataError(f"expected 'latest' or a span's number. Received: {span!r}") from None
    if not as_of:
        return known[-1]
    moment = _in_utc(datetime.fromisoformat(as_of))
    # A damaged manifest ends the search, because its span might be the one.
    for number in reversed(known):
        if _in_utc(read(data_dir, number).manifest.created) <= moment:
            return number
    first = _in_utc(read(data_dir, known[0]).manifest.created)
    raise DataError(
        f"expected a span from before {moment:%Y-%m-%d %H:%M:%S} UTC. Received: none so early (span {known[0]} is from "
        f"{first:%Y-%m-%d %H:%M:%S}); choose a later date, or name a span"
    )


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
