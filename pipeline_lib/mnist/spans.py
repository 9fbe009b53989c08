"""Spans: the numbered folders of training data that TFX's ImportExampleGen reads.

    <data_dir>/span-1/train-00000-of-00001.tfrecord.gz
                      eval-00000-of-00001.tfrecord.gz
                      span.json                          a `Manifest`
               span-2/…                                  the newest has the highest number

A span is written to a folder that no pattern of a reader's matches, and gets its name in one rename once all of it is
on the disk. That rename is also what makes numbers unique: it fails where another process was first.
"""

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline_lib.errors import DataError
from pipeline_lib.locks import lock, try_lock
from pipeline_lib.mnist.dataset import Dataset, Split
from pipeline_lib.mnist.tfrecords import write_split

MANIFEST = "span.json"
_UNFINISHED = ".unfinished-"
_SPAN_NAME = re.compile(r"span-(\d+)")


class SplitManifest(BaseModel):
    """One split of a span: what it holds, and its files' sizes in bytes."""

    model_config = ConfigDict(frozen=True)

    examples: int
    per_class: tuple[int, ...]
    content_sha256: str
    shards: dict[str, int]


class Manifest(BaseModel):
    """What a span holds, and where it came from. A new `schema_version`: the same images are written differently."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    source: str
    created: datetime
    splits: dict[str, SplitManifest]


@dataclass(frozen=True)
class Span:
    """A span on disk. `created` is False where `write_span` found the same examples there already."""

    number: int
    path: Path
    manifest: Manifest
    created: bool = False

    def __str__(self) -> str:
        counts = " and ".join(f"{split.examples:,} {name}" for name, split in self.manifest.splits.items())
        if self.created:
            return f"{self.path.name}: {counts} examples from {self.manifest.source}"
        return f"{self.path.name} already holds exactly these {counts} examples: no new span"


def latest_span(data_dir: Path) -> Span | None:
    """The span of the highest number, or None where there is no span yet.

    Raises:
      DataError: that span has no readable manifest, or lacks a file that its manifest lists.
    """
    number = _highest_number(data_dir)
    return _read_span(data_dir, number) if number else None


def write_span(dataset: Dataset, data_dir: Path) -> Span:
    """Write `dataset` as the next span, unless the latest span holds exactly the same images and labels.

    Processes that do this at the same time get a number each, or, with the same content, one span between them.

    Raises:
      DataError: it could not be written (a full disk, say); no span and no unfinished folder is left.
    """
    digests = {name: split.sha256() for name, split in dataset.splits.items()}
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if found := _latest_with(digests, data_dir):
            return found
        with _unfinished_folder(data_dir) as folder:
            manifest = Manifest(
                source=dataset.source,
                created=datetime.now(UTC),
                splits={name: _write(split, name, digests[name], folder) for name, split in dataset.splits.items()},
            )
            _write_manifest(manifest, folder)
            return _publish(folder, manifest, digests, data_dir)
    except OSError as error:
        raise DataError(
            f"{data_dir}: no span could be written: {error.strerror or error}. Nothing was kept of it, "
            "and the spans before it are as they were; see to the disk, then ingest again"
        ) from None


def _write(split: Split, name: str, digest: str, folder: Path) -> SplitManifest:
    shards = write_split(split, name, folder)
    return SplitManifest(examples=len(split), per_class=split.per_class(), content_sha256=digest, shards=shards)


def _publish(folder: Path, manifest: Manifest, digests: dict[str, str], data_dir: Path) -> Span:
    while True:
        # In this order: a span that another process publishes after the first line makes the rename fail, and one from
        # before it is found by the second.
        number = _highest_number(data_dir) + 1
        if found := _latest_with(digests, data_dir):
            return found
        path = data_dir / f"span-{number}"
        try:
            folder.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            _sync_folder(data_dir)
            return Span(number, path, manifest, created=True)


def _latest_with(digests: dict[str, str], data_dir: Path) -> Span | None:
    try:
        span = latest_span(data_dir)
    except DataError:
        # A damaged latest span must not keep a good one from being written after it.
        return None
    if span and {name: split.content_sha256 for name, split in span.manifest.splits.items()} == digests:
        return span
    return None


def _read_span(data_dir: Path, number: int) -> Span:
    path = data_dir / f"span-{number}"
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
        for split in manifest.splits.values():
            for name, size in split.shards.items():
                if (path / name).stat().st_size != size:
                    raise DataError(f"{path / name}: expected {size:,} bytes. Received: another size; ingest again")
    except ValidationError as error:
        raise DataError(f"{path / MANIFEST}: not a span's manifest: {error.errors()[0]['msg']}; ingest again") from None
    except OSError as error:
        raise DataError(f"{error.filename}: a span's file cannot be read: {error.strerror}; ingest again") from None
    return Span(number, path, manifest)


def _highest_number(data_dir: Path) -> int:
    entries = data_dir.iterdir() if data_dir.is_dir() else ()
    return max((int(match[1]) for entry in entries if (match := _SPAN_NAME.fullmatch(entry.name))), default=0)


@contextlib.contextmanager
def _unfinished_folder(data_dir: Path) -> Iterator[Path]:
    folder = data_dir / f"{_UNFINISHED}{uuid.uuid4().hex}"
    with contextlib.ExitStack() as held:
        # Made and locked while data_dir is locked, so that nobody sees it unlocked and takes it for a dead writer's.
        with lock(data_dir, waiting_for="another ingest"):
            _remove_dead_writers_folders(data_dir)
            folder.mkdir()
            held.enter_context(lock(folder, waiting_for="another ingest"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_dead_writers_folders(data_dir: Path) -> None:
    for folder in data_dir.glob(f"{_UNFINISHED}*"):
        with try_lock(folder) as dead:
            if dead:
                shutil.rmtree(folder, ignore_errors=True)


def _write_manifest(manifest: Manifest, folder: Path) -> None:
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
