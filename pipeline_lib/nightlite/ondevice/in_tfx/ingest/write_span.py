"""Write spans. `nightlite/ondevice/spans.py` describes and reads them.

Only one process writes at a time. A span is written to a folder that no reader matches. One rename gives it its name
when all of it is on the disk.
"""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from nightlite import durable
from nightlite.errors import DataError
from nightlite.locks import lock
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from nightlite.ondevice.in_tfx.ingest.tfrecords import write_split
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.spans import MANIFEST, Manifest, Span, SplitManifest, numbers, read


def write_span(model: OnDeviceModel, dataset: Dataset, data_dir: Path) -> Span:
    """Write `dataset` as the next span, unless a span already holds exactly the same examples.

    Concurrent processes wait for each other.

    Raises:
      DataError: the examples are not the model's, or could not be written, on a full disk for example. No span and
        no unfinished folder is left.
    """
    dataset.check(model)
    digests = {name: split.sha256() for name, split in dataset.splits.items()}
    values = {
        feature.tensor.name: f"raw * {feature.meaning.scale} + {feature.meaning.offset}" for feature in model.features
    }
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with lock(data_dir, waiting_for="another ingest"):
            durable.clear_unfinished(data_dir)
            if found := _span_with(digests, values, data_dir):
                return found
            number = max(numbers(data_dir), default=0) + 1
            with durable.new_folder(data_dir / f"span-{number}") as folder:
                splits = {
                    name: _write(split, name, digests[name], model, folder) for name, split in dataset.splits.items()
                }
                # The time of the end: a run of an earlier moment could not have read it.
                manifest = Manifest(source=dataset.source, created=datetime.now(UTC), values=values, splits=splits)
                (folder / MANIFEST).write_text(f"{manifest.model_dump_json(indent=1)}\n", encoding="utf-8")
            return Span(number, data_dir / f"span-{number}", manifest, created=True)
    except OSError as error:
        raise DataError(
            f"{data_dir}: no span could be written: {error.strerror or error}. Nothing was kept of it, "
            "and the spans before it are as they were; see to the disk, then ingest again"
        ) from None


def _write(split: Split, name: str, digest: str, model: OnDeviceModel, folder: Path) -> SplitManifest:
    shards, per_class = write_split(split, name, model, folder), split.per_class(len(model.labels))
    return SplitManifest(examples=len(split), per_class=per_class, content_sha256=digest, shards=shards)


def _span_with(digests: dict[str, str], values: dict[str, str], data_dir: Path) -> Span | None:
    """Return the newest whole span of exactly this content. A damaged one must not prevent a good one."""
    for number in reversed(numbers(data_dir)):
        with contextlib.suppress(DataError):
            span = read(data_dir, number)
            if span.manifest.digests() == digests and span.manifest.values in (values, {}):
                return span.require_whole()
    return None
