"""Spans: what was put in comes out, no one reads half a span, and writers do not get into each other's way."""

import errno
import fnmatch
import json
import multiprocessing
import os
import resource
import signal
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.mnist.model.features import IMAGE_KEY
from models.mnist.on_device import MODEL
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest import examples, tfrecords
from nightlite.ondevice.in_tfx.ingest import write_span as spans
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from nightlite.ondevice.in_tfx.ingest.stored_rows import stored
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.spans import latest_span
from tests.models.mnist.made_digits import make_split

# A fork, not a fresh process: that would spend ten seconds each on importing tensorflow.
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def dataset() -> Dataset:
    return Dataset("test", make_split(23, seed=1), make_split(10, seed=2))


def _read(folder: Path, pattern: str) -> tuple[np.ndarray, list[int]]:
    floats, labels = [], []
    for path in sorted(folder.glob(pattern)):
        for record in tf.compat.v1.io.tf_record_iterator(
            str(path), tf.io.TFRecordOptions(compression_type="GZIP")
        ):  # not tf.data: an op in this process would make the forks below hang
            feature = tf.train.Example.FromString(record).features.feature
            floats.append(np.array(feature["image_floats"].float_list.value, np.float32))
            labels.extend(feature["image_class"].int64_list.value)
    return np.stack(floats), labels


def test_round_trip_over_several_shards(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "write_split", lambda *args: tfrecords.write_split(*args, shard_bytes=9 * 4 * 784))
    span = write_span(MODEL, dataset, tmp_path)
    assert span.created
    assert sorted(path.name for path in span.path.glob("train*")) == [
        f"train-0000{index}-of-00003.tfrecord.gz" for index in range(3)
    ]
    for name, split in dataset.splits.items():
        floats, labels = _read(span.path, f"{name}-*.tfrecord.gz")
        assert floats.shape == (len(split), 784)
        assert -0.5 <= floats.min() < floats.max() <= 0.5
        pixels = split.inputs[IMAGE_KEY].reshape(len(split), 784)
        written = list(zip(np.rint((floats + 0.5) * 255).astype(np.uint8).tolist(), labels, strict=True))
        assert written != list(zip(pixels.tolist(), split.labels.tolist(), strict=True))
        assert sorted(written) == sorted(zip(pixels.tolist(), split.labels.tolist(), strict=True))


def test_bytes_are_a_function_of_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the same from memory and from the disk, and for slices of any size."""
    split = make_split(60, seed=1)
    kept = Split(stored([split.part(slice(0, 11)), split.part(slice(11, 60))], tmp_path), split.labels)
    written = []
    for index, (source, rows) in enumerate([(split, 1024), (split, 7), (kept, 1024), (kept, 1)]):
        monkeypatch.setattr(examples, "_SLICE_ROWS", rows)
        folder = tmp_path / str(index)
        folder.mkdir()
        tfrecords.write_split(source, "train", MODEL, folder, shard_bytes=20 * 4 * 784)
        written.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert len(written[0]) == 3
    assert all(files == written[0] for files in written)


def test_no_shard_is_of_one_class(tmp_path: Path) -> None:
    split = make_split(500, seed=1)
    by_class = split.take(np.argsort(split.labels, kind="stable"))
    tfrecords.write_split(by_class, "train", MODEL, tmp_path, shard_bytes=100 * 4 * 784)
    shards = sorted(tmp_path.iterdir())
    assert len(shards) == 5
    for shard in shards:
        _, labels = _read(tmp_path, shard.name)
        counts = np.bincount(labels, minlength=10)
        assert counts.sum() == 100 and counts.min() > 0 and counts.max() < 25


def test_the_order_is_a_function_of_the_number_of_examples(tmp_path: Path) -> None:
    orders = []
    for seed in (1, 2):
        split = Split(make_split(30, seed).rows, np.arange(30))
        folder = tmp_path / str(seed)
        folder.mkdir()
        tfrecords.write_split(split, "train", MODEL, folder)
        orders.append(_read(folder, "train-*")[1])
    assert orders[0] == orders[1] != list(range(30))


def test_a_shards_values_are_in_memory_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "_SLICE_ROWS", 20)
    peaks = []
    for count in (40, 300):
        split = make_split(count)
        tracemalloc.start()
        tfrecords.write_split(split, "train", MODEL, tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 260 further examples are 800 kB as float32.
    assert peaks[1] - peaks[0] < 200_000


def test_manifest(dataset: Dataset, tmp_path: Path) -> None:
    manifest = json.loads((write_span(MODEL, dataset, tmp_path).path / "span.json").read_text())
    assert manifest["source"] == "test"
    assert manifest["splits"]["train"]["examples"] == 23
    assert manifest["splits"]["train"]["per_class"] == [3, 3, 3] + [2] * 7
    assert manifest["splits"]["eval"]["content_sha256"] == dataset.eval.sha256()


def test_same_content_makes_no_new_span(dataset: Dataset, tmp_path: Path) -> None:
    first, again = (write_span(MODEL, dataset, tmp_path / "data") for _ in range(2))
    assert (first.created, again.created, again.path) == (True, False, first.path)
    assert str(again) == "span-1 already holds exactly these 23 train and 10 eval examples: no new span"
    other = write_span(MODEL, Dataset("other", make_split(5, seed=3), make_split(5, seed=4)), tmp_path / "data")
    # Also where it is not the newest: twice in a window, its examples would count twice.
    again = write_span(MODEL, dataset, tmp_path / "data")
    assert (other.number, again.number, again.created) == (2, 1, False)


def test_a_shard_lost_since_is_no_reason_to_write_nothing(dataset: Dataset, tmp_path: Path) -> None:
    shard = next(write_span(MODEL, dataset, tmp_path).path.glob("eval-*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"eval-00000-of-00001\.tfrecord\.gz: expected"):
        latest_span(tmp_path)
    assert write_span(MODEL, dataset, tmp_path).number == 2


@pytest.mark.parametrize("manifest", ["", "{}", '{"schema_version": 2}'])
def test_damaged_manifest(dataset: Dataset, tmp_path: Path, manifest: str) -> None:
    (write_span(MODEL, dataset, tmp_path).path / "span.json").write_text(manifest)
    with pytest.raises(DataError, match=r"span\.json: not a span's manifest"):
        latest_span(tmp_path)
    assert write_span(MODEL, dataset, tmp_path).number == 2


def test_number_follows_the_highest_not_the_count(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "span-9").mkdir()
    (tmp_path / "span-10").mkdir()
    (tmp_path / "span-x").mkdir()
    assert write_span(MODEL, dataset, tmp_path).number == 11


def _limit_file_size(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.parametrize("limit", [10, 6_000])
def test_full_disk(tmp_path: Path, dataset: Dataset, limit: int) -> None:
    """The limit stands in for the disk's end: it stops TensorFlow's own writer, out of Python's reach."""
    before = write_span(MODEL, dataset, tmp_path)
    other = Dataset("other", make_split(40, seed=5), make_split(40, seed=6))
    message = _in_a_fork(lambda: str(write_span(MODEL, other, tmp_path)), lambda: _limit_file_size(limit))
    assert message == (
        f"DataError: {tmp_path}: no span could be written: File too large. Nothing was kept of it, "
        "and the spans before it are as they were; see to the disk, then ingest again"
    )
    assert os.listdir(tmp_path) == ["span-1"]
    assert latest_span(tmp_path) is not None and before.path.name == "span-1"


def test_disk_full_at_the_very_end(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spans.durable, "sync", no_space)
    with pytest.raises(DataError, match="No space left on device"):
        write_span(MODEL, dataset, tmp_path)
    assert os.listdir(tmp_path) == []


def test_data_dir_is_a_file(tmp_path: Path, dataset: Dataset) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataError, match="no span could be written: File exists"):
        write_span(MODEL, dataset, tmp_path / "data")


def test_other_values_of_the_same_raw_ones_are_another_span(dataset: Dataset, tmp_path: Path) -> None:
    """A feature's meaning changed: what was written before is not what the model trains on now."""
    write_span(MODEL, dataset, tmp_path)
    [feature] = MODEL.features
    meaning = feature.meaning.model_copy(update={"offset": 0.0})
    changed = MODEL.model_copy(update={"features": (feature.model_copy(update={"meaning": meaning}),)})
    assert write_span(changed, dataset, tmp_path).number == 2
    assert not write_span(changed, dataset, tmp_path).created


def test_a_span_from_before_values_were_noted_is_known(dataset: Dataset, tmp_path: Path) -> None:
    file = write_span(MODEL, dataset, tmp_path).path / "span.json"
    manifest = json.loads(file.read_text())
    del manifest["values"]
    file.write_text(json.dumps(manifest))
    assert not write_span(MODEL, dataset, tmp_path).created


@pytest.mark.parametrize("same", [True, False])
def test_two_at_once(tmp_path: Path, dataset: Dataset, same: bool) -> None:
    both_are_there = FORK.Barrier(2)

    def write(seed: int) -> None:
        both_are_there.wait(60)
        write_span(MODEL, dataset if same else Dataset("other", make_split(9, seed), make_split(9, seed)), tmp_path)

    writers = [FORK.Process(target=write, args=(seed,)) for seed in (7, 8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert sorted(os.listdir(tmp_path)) == (["span-1"] if same else ["span-1", "span-2"])


def test_a_killed_writers_folder_matches_no_reader_and_goes_with_the_next(tmp_path: Path, dataset: Dataset) -> None:
    def die() -> str:
        spans.durable.sync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        return str(write_span(MODEL, dataset, tmp_path))

    assert _in_a_fork(die) == ""
    assert fnmatch.filter(os.listdir(tmp_path), ".unfinished-*") and not list(tmp_path.glob("span-*"))
    assert latest_span(tmp_path) is None
    write_span(MODEL, dataset, tmp_path)
    assert os.listdir(tmp_path) == ["span-1"]


def _in_a_fork(work: Callable[[], str], prepare: Callable[[], None] = lambda: None) -> str:
    """Return what `work` returns or raises in a process of its own; nothing where that is killed."""
    receiver, sender = FORK.Pipe(duplex=False)

    def run() -> None:
        # pytest keeps the output in a file, which `prepare` limits, and gRPC's threads of other tests write to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        prepare()
        try:
            sender.send(work())
        except DataError as error:
            sender.send(f"{type(error).__name__}: {error}")

    process = FORK.Process(target=run)
    process.start()
    sender.close()
    process.join(120)
    try:
        return str(receiver.recv())
    except EOFError:
        return ""
