"""SpanExampleGen beside TFX's own ImportExampleGen: the same examples, the spans asked for, one cache key for them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from models.mnist.on_device import MODEL
from nightlite.ondevice.in_tfx.example_gen.component import SpanExampleGen
from nightlite.ondevice.in_tfx.ingest.examples import Dataset
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.run_parameters import context_parameters, parameters
from nightlite.ondevice.spans import read
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.exit_codes import EXIT_FINAL, EXIT_OK
from nightlite.runner.in_tfx import run_parameters
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.in_tfx.node import execute
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.node_result import NodeResult
from nightlite.settings import forget_settings
from tests.models.mnist.made_digits import make_split

OURS, THEIRS = "ours", "theirs"
SPLITS = ("train", "eval")
SIZES = {1: (12, 6), 2: (7, 3), 3: (9, 4)}


class Laboratory:
    """A pipeline of the two ExampleGens over three spans."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.url = f"sqlite:///{folder}/mlmd.sqlite"
        for number, (train, evaluation) in SIZES.items():
            write_span(
                MODEL,
                Dataset(f"source {number}", make_split(train, number), make_split(evaluation, 9 + number)),
                self.data,
            )
        self.compiled().write(self.pipeline)

    @property
    def pipeline(self) -> Path:
        return self.folder / "spans.json"

    def compiled(self) -> CompiledPipeline:
        described = (*parameters(MODEL), *context_parameters())
        splits = [tfx.proto.Input.Split(name=name, pattern=f"span-{{SPAN}}/{name}-*.tfrecord.gz") for name in SPLITS]
        config = tfx.proto.Input(splits=splits)
        run_values = {
            item.name: run_parameters.runtime_parameter(item) for item in described if item.read_by == "nodes"
        }
        nodes = [
            SpanExampleGen(str(self.data), config, run_values).with_id(OURS),
            tfx.components.ImportExampleGen(str(self.data), config).with_id(THEIRS),
        ]
        pipeline = tfx.dsl.Pipeline("spans", str(self.folder / "root"), components=nodes, enable_cache=True)
        return compile_pipeline(pipeline, described)

    def run(self, run_id: str, node: str = OURS, **asked: Any) -> tuple[int, NodeResult]:
        result = self.folder / "result.json"
        code = execute(NodeRequest(self.pipeline, node, run_id, self.url, asked, result))
        return code, NodeResult.read(result)

    def artifact(self, result: NodeResult) -> metadata_store_pb2.Artifact:
        [[found]] = result.outputs.values()
        with open_store(self.url) as handle:
            [artifact] = handle.store.get_artifacts_by_id([found.id])
        return artifact

    def states(self, run_id: str) -> list[tuple[str, str]]:
        """Return the state and the recorded error of each execution of a run."""
        with open_store(self.url) as handle:
            run = handle.store.get_context_by_type_and_name("pipeline_run", f"spans.{run_id}")
            executions = handle.store.get_executions_by_context(run.id)
        found = []
        for item in executions:
            recorded = json.loads(item.custom_properties["__execution_result__"].string_value or "{}")
            state = metadata_store_pb2.Execution.State.Name(item.last_known_state)
            found.append((state, recorded.get("resultMessage", "")))
        return found


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    forget_settings()
    return Laboratory(tmp_path_factory.mktemp("spans"))


@pytest.fixture(scope="module")
def newest(laboratory: Laboratory) -> NodeResult:
    code, result = laboratory.run("newest")
    assert (code, result.state) == (EXIT_OK, "succeeded")
    return result


def files(result: NodeResult) -> dict[str, bytes]:
    [[found]] = result.outputs.values()
    root = Path(found.uri)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.gz")}


def records(result: NodeResult, split: str) -> Iterator[bytes]:
    """Read the examples of a split, each with its features in one order: protobuf writes a map in any."""
    [[found]] = result.outputs.values()
    for path in Path(found.uri, f"Split-{split}").glob("*"):
        options = tf.io.TFRecordOptions(compression_type="GZIP")
        for record in tf.compat.v1.io.tf_record_iterator(str(path), options):
            yield tf.train.Example.FromString(record).SerializeToString(deterministic=True)


def test_one_span_has_the_examples_that_tfx_finds_in_it_and_its_own_files(
    laboratory: Laboratory, newest: NodeResult
) -> None:
    _, theirs = laboratory.run("newest", THEIRS)
    for split in SPLITS:
        assert sorted(records(newest, split)) == sorted(records(theirs, split))
    span = [path.read_bytes() for path in sorted((laboratory.data / "span-3").glob("*.gz"))]
    assert sorted(files(newest).values()) == sorted(span) and len(span) == len(SPLITS)
    ours, other = laboratory.artifact(newest), laboratory.artifact(theirs)
    for name in ("span", "input_fingerprint", "split_names", "payload_format", "file_format"):
        assert (ours.custom_properties[name], ours.properties[name]) == (
            other.custom_properties[name],
            other.properties[name],
        )
    assert ours.custom_properties["span"].int_value == 3


def test_the_same_span_is_one_cache_key_however_it_is_asked_for(laboratory: Laboratory, newest: NodeResult) -> None:
    created = read(laboratory.data, 3).manifest.created.isoformat()
    for run_id, asked in {
        "again": {},
        "by number": {"span": "3"},
        "on the day": {"as_of": created},
        "a year later": {"as_of": "2100-01-01T02:00:00+00:00"},
    }.items():
        code, result = laboratory.run(run_id, **asked)
        assert (code, result.state, result.outputs) == (EXIT_OK, "cached", newest.outputs), asked


def test_an_earlier_date_reads_the_span_of_that_date(laboratory: Laboratory) -> None:
    created = read(laboratory.data, 2).manifest.created.isoformat()
    _, result = laboratory.run("backfill", as_of=created)
    assert laboratory.artifact(result).custom_properties["span"].int_value == 2
    assert len(list(records(result, "train"))) == SIZES[2][0]


def test_a_window_trains_on_all_of_its_spans(laboratory: Laboratory) -> None:
    _, result = laboratory.run("window", window=2)
    artifact = laboratory.artifact(result)
    assert artifact.custom_properties["span"].int_value == 3
    assert artifact.custom_properties["spans"].string_value == "2,3"
    assert artifact.custom_properties["sources"].string_value == "source 2, source 3"
    for index, split in enumerate(SPLITS):
        found = sorted(records(result, split))
        alone = [laboratory.run(f"alone {number}", span=str(number))[1] for number in (2, 3)]
        assert found == sorted(record for single in alone for record in records(single, split))
        assert len(found) == SIZES[2][index] + SIZES[3][index]
    assert laboratory.run("window again", window=2)[1].state == "cached"
    assert laboratory.run("all", window=99)[1].state == "succeeded"


def test_a_span_that_is_not_there_fails_in_one_sentence_and_stays_failed(
    laboratory: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = laboratory.run("missing", span="8")
    assert (code, result.state) == (EXIT_FINAL, "failed")
    assert "expected span 8" in (result.reason or "")
    assert "Traceback" not in capsys.readouterr().err
    assert laboratory.states("missing") == [("FAILED", result.reason)]


def test_a_damaged_span_fails_and_a_repaired_one_is_read(laboratory: Laboratory, newest: NodeResult) -> None:
    [file] = (laboratory.data / "span-3").glob("eval-*")
    whole = file.stat()
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    code, result = laboratory.run("damaged")
    assert code == EXIT_FINAL and f"{file.name}: expected" in (result.reason or "")
    file.write_bytes(content)
    os.utime(file, ns=(whole.st_atime_ns, whole.st_mtime_ns))  # part of TFX's fingerprint
    assert laboratory.run("repaired")[1].outputs == newest.outputs
