"""Write spans; what they are and how they are read: `pipeline_lib/spans.py`.

A span is written to a folder that no pattern of a reader's matches, and gets its name in one rename once all of it is
on the disk. That rename is also what makes numbers unique: it fails where another process was first.
"""

import contextlib
import errno
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline_lib import durable
from pipeline_lib.errors import DataError
from pipeline_lib.locks import lock, try_lock
from pipeline_lib.mnist.dataset import Dataset, Split
from pipeline_lib.mnist.tfrecords import write_split
from pipeline_lib.spans import MANIFEST, Manifest, Span, SplitManifest, numbers, read

_UNFINISHED = ".unfinished-"


def write_span(dataset: Dataset, data_dir: Path) -> Span:
    """Write `dataset` as the next span, unless a span holds exactly the same images and labels already.

    Processes that do this at the same time get a number each, or, with the same content, one span between them.

    Raises:
      DataError: it could not be written (a full disk, say); no span and no unfinished folder is left.
    """
    digests = {name: split.sha256() for name, split in dataset.splits.items()}
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if found := _span_with(digests, data_dir):
            return found
        with _unfinished_folder(data_dir) as folder:
            splits = {name: _write(split, name, digests[name], folder) for name, split in dataset.splits.items()}
            # Now, not before: a run of an earlier moment could not have read it.
            manifest = Manifest(source=dataset.source, created=datetime.now(UTC), splits=splits)
            durable.write(folder / MANIFEST, f"{manifest.model_dump_json(indent=1)}\n".encode())
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
        if found := _span_with(digests, data_dir):
            return found
        path = data_dir / f"span-{number}"
        try:
            folder.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            durable.sync(data_dir)
            return Span(number, path, manifest, created=True)


def _span_with(digests: dict[str, str], data_dir: Path) -> Span | None:
    """The newest whole span of exactly this content: a damaged one must not keep a good one from being written."""
    for number in reversed(numbers(data_dir)):
        with contextlib.suppress(DataError):
            span = read(data_dir, number)
            if span.manifest.digests() == digests:
                return span.require_whole()
    return None


def _highest_number(data_dir: Path) -> int:
    return max(numbers(data_dir), default=0)


@contextlib.contextmanager
def _unfinished_folder(data_dir: Path) -> Iterator[Path]:
    folder = data_dir / f"{_UNFINISHED}{uuid.uuid4().hex}"
    with contextlib.ExitStack() as held:
        # Made and locked while data_dir is locked, so that nobody sees it unlocked and takes it for a dead writer's.
        with lock(data_dir, waiting_for="another ingest"):
            _remove_dead_writers_folders(data_dir)
            folder.mkdir()
            held.enter_context(try_lock(folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_dead_writers_folders(data_dir: Path) -> None:
    for folder in data_dir.glob(f"{_UNFINISHED}*"):
        with try_lock(folder) as dead:
            if dead:
                shutil.rmtree(folder, ignore_errors=True)
