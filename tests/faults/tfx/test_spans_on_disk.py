"""Spans that were damaged, emptied, doubled, removed or poisoned: nothing ships that was made of them."""

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.mnist.data.sources import load_digits
from models.mnist.on_device import MODEL
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.report_files import REFUSED_DATA, REPORT_PAGE
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.runner.node_result import NodeResult
from tests.faults.tfx.nodes import GATE, launch, until
from tests.ondevice.in_tfx.gate_laboratory import Laboratory, few_digits, new_laboratory

Damage = Callable[[Path], None]


@pytest.fixture
def fresh(tmp_path: Path) -> Laboratory:
    return new_laboratory(tmp_path / "var", few_digits(120, 60))


def shard(span: Path, split: str = "train") -> Path:
    [file] = span.glob(f"{split}-*")
    return file


def lose_records(span: Path) -> None:
    """Leave a whole gzip file of whole records, but not all of them, which no reader can notice."""
    content, end = gzip.decompress(shard(span).read_bytes()), 0
    for _ in range(50):
        end += 16 + struct.unpack_from("<Q", content, end)[0]
    shard(span).write_bytes(gzip.compress(content[:end]))


def break_gzip(span: Path) -> None:
    content = bytearray(shard(span).read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard(span).write_bytes(bytes(content))


# Whatever changes a file's size is one of these to what reads it; tests/ondevice/test_spans.py has the others.
DAMAGES: dict[str, Damage] = {
    "records lost": lose_records,
    "broken gzip": break_gzip,
    "eval gone": lambda span: shard(span, "eval").unlink(),
    "all gone": shutil.rmtree,
}


def assert_refused(laboratory: Laboratory, result: NodeResult) -> None:
    """Assert a reason in words, no training, and no leftovers of the failed node but a refusal's page."""
    assert result.state == "failed" and result.reason
    # The first node passes the files on unread; StatisticsGen is the first to read them.
    assert result.node_id in (laboratory.compiled.nodes[0].id, "StatisticsGen", GATE)
    root = laboratory.folders.artifacts
    assert not (root / "Trainer.mnist").exists()
    pages = (root / result.node_id).glob(f"{REFUSED_DATA}/*/{REPORT_PAGE}")
    assert [str(page) for page in pages] == ([facts_of(result).report] if facts_of(result).report else [])
    for folder in (root / result.node_id).glob("[!.]*/*"):
        if folder.parent.name == REFUSED_DATA:
            continue
        assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_span_ends_the_run_before_training(fresh: Laboratory, damage: Damage) -> None:
    damage(fresh.folders.data / "span-1")
    assert_refused(fresh, until(fresh, GATE, "damaged"))


def test_after_a_damaged_span_the_same_data_ingested_again_is_a_run_again(fresh: Laboratory) -> None:
    lose_records(fresh.folders.data / "span-1")
    assert_refused(fresh, until(fresh, GATE, "damaged"))
    assert write_span(MODEL, few_digits(120, 60), fresh.folders.data).number == 2
    assert until(fresh, GATE, "again").state == "succeeded"


def test_a_second_folder_of_a_spans_number_is_not_read(fresh: Laboratory) -> None:
    """`span-01` and `span-1` are one number: what was ingested counts, the other is no one's."""
    first = fresh.folders.data / "span-1"
    shutil.copytree(first, first.with_name("span-01"))
    shard(first.with_name("span-01")).write_bytes(b"")
    assert until(fresh, GATE, "doubled").state == "succeeded"


def test_a_span_removed_once_it_was_read_is_no_longer_needed(fresh: Laboratory) -> None:
    first = fresh.compiled.nodes[0].id
    assert launch(fresh, first, "in use").state == "succeeded"
    shutil.rmtree(fresh.folders.data / "span-1")
    assert until(fresh, GATE, "in use").state == "succeeded"


def shuffled(split: Split, share: float) -> Split:
    random, labels = np.random.default_rng(0), split.labels.copy()
    chosen = random.permutation(len(labels))[: int(len(labels) * share)]
    labels[chosen] = random.permutation(labels[chosen])
    return Split(split.inputs, labels)


def test_poisoned_labels_make_no_release(tmp_path: Path) -> None:
    """30 % of the training labels shuffled, the eval split clean: with the deployment's own bounds it is refused."""
    digits = load_digits()
    laboratory = new_laboratory(tmp_path, Dataset("poisoned", shuffled(digits.train, 0.3), digits.eval))
    own_bounds = {"min_accuracy": 0.97, "min_class_accuracy": 0.9, "max_loss": 0.2}
    run = laboratory.run("poisoned", **own_bounds, epochs=8)
    assert run["Pusher.mnist_lite"].state == "skipped" and not laboratory.folders.releases.exists()
    assert any("(max_loss)" in refusal for refusal in facts_of(run["EdgeValidator"]).refusals)
