"""A split as a Trainer reads it: through Transform's graph, in an order that files and seed decide."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx import training_input
from nightlite.ondevice.in_tfx.training_input import TransformedExamples, transformed_examples

COUNT = 700


def doubled(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return twice the number, and its largest value in the data."""
    return {"number_xf": inputs["number"] * 2, "largest": tft.max(inputs["number"]) + 0 * inputs["number"]}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> tft.TFTransformOutput:
    folder = tmp_path_factory.mktemp("transform")
    spec = {"number": tf.io.FixedLenFeature([1], tf.int64)}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    rows = [{"number": np.array([number])} for number in range(COUNT)]
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        transform_fn = (rows, metadata) | tft_beam.AnalyzeDataset(doubled)
        transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(metadata, str(folder / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR))
    return tft.TFTransformOutput(str(folder / "graph"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the pattern of two shards: the numbers from 0 on."""
    folder = tmp_path_factory.mktemp("split")
    for shard, numbers in enumerate((range(300), range(300, COUNT))):
        with tf.io.TFRecordWriter(str(folder / f"data-{shard:05d}-of-00002.gz"), "GZIP") as writer:
            for number in numbers:
                example = tf.train.Example()
                example.features.feature["number"].int64_list.value.append(number)
                writer.write(example.SerializeToString())
    return str(folder / "*")


@pytest.fixture
def examples(files: str, graph: tft.TFTransformOutput, tmp_path: Path) -> Iterator[TransformedExamples]:
    with transformed_examples([files], graph, str(tmp_path / "run")) as found:
        yield found


def numbers(batches: Any) -> list[int]:
    return [int(value) for batch in batches for value in batch["number_xf"].numpy().reshape(-1)]


def test_a_pass_has_every_example_through_the_graph_and_its_batches_are_counted(examples: TransformedExamples) -> None:
    assert (examples.count, examples.steps(100), examples.steps(300)) == (COUNT, 7, 3)
    assert sorted(numbers(examples.batches(300))) == [2 * number for number in range(COUNT)]
    assert numbers(examples.batches(300)) == numbers(examples.batches(100))
    assert {int(value) for batch in examples.batches(300) for value in batch["largest"].numpy().reshape(-1)} == {699}
    assert examples.batches(300).cardinality() == 3  # without it, Keras warns in each epoch that data ran out


def test_shards_are_read_in_turn_so_that_spans_are_mixed(examples: TransformedExamples) -> None:
    [first, *_] = examples.batches(100)
    of_the_first_shard = [number < 2 * 300 for number in numbers([first])]
    assert sum(of_the_first_shard) == 50


def test_more_shards_than_are_read_at_once_are_all_read(
    files: str, graph: tft.TFTransformOutput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_input, "_OPEN_SHARDS", 1)
    with transformed_examples([files], graph, str(tmp_path)) as found:
        assert sorted(numbers(found.batches(300))) == [2 * number for number in range(COUNT)]


def test_the_order_of_training_is_the_seeds_and_each_pass_has_every_example(examples: TransformedExamples) -> None:
    first, again, other = (numbers(examples.shuffled(100, seed).take(14)) for seed in (1, 1, 2))
    assert first == again and first != other
    one, two = first[:COUNT], first[COUNT:]
    assert one != two
    assert sorted(one) == sorted(two) == [2 * number for number in range(COUNT)]


def test_no_thread_and_no_listing_of_files_changes_the_order(
    files: str, graph: tft.TFTransformOutput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_input, "_CHUNK", 8)
    listed, found = tf.io.gfile.glob, []
    for threads, order in ((1, 1), (8, -1)):
        monkeypatch.setattr(tf.data, "AUTOTUNE", threads)
        monkeypatch.setattr(tf.io.gfile, "glob", lambda patterns, order=order: sorted(listed(patterns))[::order])
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        with transformed_examples([files], graph, str(tmp_path)) as examples:
            assert examples.chunks.options().deterministic is True
            found.append(numbers(examples.shuffled(100, 1).with_options(options).take(14)))
    assert found[0] == found[1]


def test_the_buffer_of_examples_has_a_bound_in_bytes(
    files: str, graph: tft.TFTransformOutput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transformed_examples([files], graph, str(tmp_path)) as small:
        assert small.held == COUNT
    monkeypatch.setattr(training_input, "_SHUFFLED_BYTES", 40_000)
    with transformed_examples([files], graph, str(tmp_path)) as found:
        # An int64 and a tensor's own bytes, twice.
        assert 40_000 // (2 * (8 + 256)) - 10 <= found.held <= 40_000 // (2 * (8 + 256))
        place = {number: index for index, number in enumerate(numbers(found.batches(COUNT)))}
        drawn = numbers(found.shuffled(100, 1).take(7))
    # Nothing is drawn before the buffer could have read it.
    ahead = [place[number] - index for index, number in enumerate(drawn)]
    assert 0 < max(ahead) < found.held


def test_large_examples_are_parsed_few_at_a_time(
    files: str, graph: tft.TFTransformOutput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_input, "_CHUNK_BYTES", 1)
    with transformed_examples([files], graph, str(tmp_path)) as found:
        assert [len(chunk["number_xf"]) for chunk in found.chunks] == [1] * COUNT


def test_nothing_is_left_on_the_disk(files: str, graph: tft.TFTransformOutput, tmp_path: Path) -> None:
    with transformed_examples([files], graph, str(tmp_path)) as found:
        assert list(tmp_path.rglob("chunks*"))
        assert len(list(found.batches(COUNT))) == 1
    assert not list(tmp_path.iterdir())


def test_an_empty_split_is_refused(graph: tft.TFTransformOutput, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere-*")
    with (
        pytest.raises(DataError, match=r"nowhere.*at least one example"),
        transformed_examples([nowhere], graph, str(tmp_path)),
    ):
        pass
