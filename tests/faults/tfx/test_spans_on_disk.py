"""Spans that were damaged, emptied, doubled, removed or poisoned: nothing ships that was made of them."""

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline_lib.mnist.dataset import Dataset, Split
from pipeline_lib.mnist.features import IMAGE_KEY
from pipeline_lib.mnist.sources import load_digits
from pipeline_lib.mnist.spans import write_span
from pipeline_lib.node_result import NodeResult
from pipeline_lib.report_files import REFUSED_DATA, REPORT_PAGE
from tests.faults.tfx.conftest import few_digits, new_laboratory
from tests.faults.tfx.nodes import GATE, launch, until
from tests.tfx.gate_laboratory import Laboratory

Damage = Callable[[Path], None]


@pytest.fixture
def fresh(tmp_path: Path) -> Laboratory:
    return new_laboratory(tmp_path / "var", few_digits(120, 60))


def shard(span: Path, split: str = "train") -> Path:
    [file] = span.glob(f"{split}-*")
    return file


def cut_in_half(span: Path) -> None:
    content = shard(span).read_bytes()
    shard(span).write_bytes(content[: len(content) // 2])


def lose_records(span: Path) -> None:
    """A whole gzip file of whole records, only not all of them: nothing that reads it can tell."""
    content, end = gzip.decompress(shard(span).read_bytes()), 0
    for _ in range(50):
        end += 16 + struct.unpack_from("<Q", content, end)[0]
    shard(span).write_bytes(gzip.compress(content[:end]))


def break_crc(span: Path) -> None:
    content = bytearray(gzip.decompress(shard(span).read_bytes()))
    content[len(content) // 2 + 100] ^= 0xFF
    shard(span).write_bytes(gzip.compress(bytes(content)))


def break_gzip(span: Path) -> None:
    content = bytearray(shard(span).read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard(span).write_bytes(bytes(content))


def no_examples(span: Path) -> None:
    with tf.io.TFRecordWriter(str(shard(span)), "GZIP") as writer:
        for _ in range(10):
            writer.write(b"\xff\xfe no tf.Example")


def truncate_to_nothing(split: str) -> Damage:
    return lambda span: shard(span, split).write_bytes(b"")


def remove_files(split: str) -> Damage:
    return lambda span: shard(span, split).unlink()


def rename_feature(span: Path) -> None:
    records = list(tf.data.TFRecordDataset(str(shard(span)), "GZIP").as_numpy_iterator())
    with tf.io.TFRecordWriter(str(shard(span)), "GZIP") as writer:
        for record in records:
            example = tf.train.Example.FromString(record)
            example.features.feature["image_pixels"].CopyFrom(example.features.feature.pop(IMAGE_KEY))
            writer.write(example.SerializeToString())


DAMAGES: dict[str, Damage] = {
    "cut in half": cut_in_half,
    "records lost": lose_records,
    "broken CRC": break_crc,
    "broken gzip": break_gzip,
    "no tf.Examples": no_examples,
    "train empty": truncate_to_nothing("train"),
    "eval empty": truncate_to_nothing("eval"),
    "train gone": remove_files("train"),
    "eval gone": remove_files("eval"),
    "feature renamed": rename_feature,
    "all gone": shutil.rmtree,
}


def assert_refused(laboratory: Laboratory, result: NodeResult) -> None:
    """It says why in words, nothing was trained, and what the failed node had begun is gone, but a refusal's page."""
    assert result.state == "failed" and result.reason
    assert result.node_id in (laboratory.compiled.nodes[0].id, GATE)
    root = laboratory.settings.pipeline_root
    assert not (root / "Trainer.mnist").exists()
    pages = (root / result.node_id).glob(f"{REFUSED_DATA}/*/{REPORT_PAGE}")
    assert [str(page) for page in pages] == ([result.report] if result.report else [])
    for folder in (root / result.node_id).glob("[!.]*/*"):
        if folder.parent.name == REFUSED_DATA:
            continue
        assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_span_ends_the_run_before_training(fresh: Laboratory, damage: Damage) -> None:
    damage(fresh.settings.data_dir / "span-1")
    assert_refused(fresh, until(fresh, GATE, "damaged"))


def test_after_a_damaged_span_the_same_data_ingested_again_is_a_run_again(fresh: Laboratory) -> None:
    cut_in_half(fresh.settings.data_dir / "span-1")
    assert_refused(fresh, until(fresh, GATE, "damaged"))
    assert write_span(few_digits(120, 60), fresh.settings.data_dir).number == 2
    assert until(fresh, GATE, "again").state == "succeeded"


def test_a_second_folder_of_a_spans_number_is_not_read(fresh: Laboratory) -> None:
    """`span-01` and `span-1` are one number: what was ingested counts, the other is nobody's."""
    first = fresh.settings.data_dir / "span-1"
    shutil.copytree(first, first.with_name("span-01"))
    truncate_to_nothing("train")(first.with_name("span-01"))
    assert until(fresh, GATE, "doubled").state == "succeeded"


def test_a_span_removed_once_it_was_read_is_no_longer_needed(fresh: Laboratory) -> None:
    first = fresh.compiled.nodes[0].id
    assert launch(fresh, first, "in use").state == "succeeded"
    shutil.rmtree(fresh.settings.data_dir / "span-1")
    assert until(fresh, GATE, "in use").state == "succeeded"


def of_digit(split: Split, digit: int) -> Split:
    return Split(split.images[split.labels == digit], split.labels[split.labels == digit])


def shuffled(split: Split, share: float) -> Split:
    random, labels = np.random.default_rng(0), split.labels.copy()
    chosen = random.permutation(len(labels))[: int(len(labels) * share)]
    labels[chosen] = random.permutation(labels[chosen])
    return Split(split.images, labels)


def test_data_of_one_digit_ends_the_run_before_training(tmp_path: Path) -> None:
    digits = load_digits()
    threes = Dataset("threes", of_digit(digits.train, 3), of_digit(digits.eval, 3))
    laboratory = new_laboratory(tmp_path, threes)
    result = until(laboratory, GATE, "threes")
    assert_refused(laboratory, result)
    assert "(min_label_share)" in str(result.reason) and result.report


def test_poisoned_labels_make_no_release(tmp_path: Path) -> None:
    """30 % of the training labels shuffled, the eval split clean: with the deployment's own bounds it is refused."""
    digits = load_digits()
    laboratory = new_laboratory(tmp_path, Dataset("poisoned", shuffled(digits.train, 0.3), digits.eval))
    own_bounds = {"min_accuracy": 0.97, "min_class_accuracy": 0.9, "max_loss": 0.2}
    run = laboratory.run("poisoned", **own_bounds, epochs=8)
    assert run["Pusher.mnist_lite"].state == "skipped" and not laboratory.settings.push_dir.exists()
    assert any("(max_loss)" in refusal for refusal in run["EdgeValidator"].refusals)


def test_the_same_data_undamaged_passes(fresh: Laboratory) -> None:
    """Undamaged, the same data passes: what the others see is the damage's doing."""
    assert until(fresh, GATE, "whole").state == "succeeded"
