"""Data that ends a run before training: data that is not what the curated schema says, and labels that drift."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.example_validator import executor as example_validator
from tfx.components.schema_gen.import_schema_gen import executor as import_schema_gen
from tfx.types import Artifact, standard_artifacts
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LABEL_KEY
from nightlite.errors import DataError, DataRefusedError
from nightlite.ondevice.gates.gate import Gates
from nightlite.ondevice.in_tfx.artifact_types import DataGates
from nightlite.ondevice.in_tfx.data_gate import executor
from nightlite.ondevice.in_tfx.data_gate.component import PreviousSpanStrategy
from nightlite.ondevice.report.run_report import RunReport
from nightlite.ondevice.task import Classification, Regression
from nightlite.paths import PROJECT
from tests.ondevice.in_tfx.gate_laboratory import new

Feature = tf.train.Feature
Odd = dict[str, Feature | None]  # None: left out
TASK = Classification(labels=tuple(f"a {label}" for label in range(9)))
BOUNDS = {
    "max_anomalies": 0,
    "max_label_changes": 0,
    "max_label_drift": 0.1,
    "min_label_share": 0.01,
    "label_key": LABEL_KEY,
    "task": TASK.model_dump_json(),
}


def floats(count: int = IMAGE_SIZE, value: float = 0.25) -> Feature:
    return Feature(float_list=tf.train.FloatList(value=np.full(count, value)))


def ints(*values: int) -> Feature:
    return Feature(int64_list=tf.train.Int64List(value=values))


def text(value: str) -> Feature:
    return Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))


def good(label: int = 3) -> dict[str, Feature]:
    return {IMAGE_KEY: floats(), LABEL_KEY: ints(label)}


@pytest.fixture
def statistics(tmp_path: Path) -> Callable[..., Artifact]:
    """Return a StatisticsGen's output: good examples as both splits, each eval example changed as `odd` says."""

    def make(span: int, labels: Sequence[int], odd: Odd | None = None) -> Artifact:
        artifact = new(standard_artifacts.ExampleStatistics, tmp_path / f"statistics-{span}")
        artifact.split_names = '["train", "eval"]'
        artifact.set_int_custom_property("span", span)
        options = tfdv.StatsOptions(schema=executor.label_schema(LABEL_KEY, TASK))
        for split in ("train", "eval"):
            examples = [good(label) for label in labels]
            if odd and split == "eval":
                examples = [{key: value for key, value in (example | odd).items() if value} for example in examples]
            records = [
                tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
                for features in examples
            ]
            # Without Beam: two pipelines in each of these tests would take most of a quick loop's time.
            batch = ExamplesToRecordBatchDecoder().DecodeBatch(records)
            found = stats_impl.generate_statistics_in_memory(batch, options)
            folder = Path(artifact.uri, f"Split-{split}")
            folder.mkdir()
            folder.joinpath("FeatureStats.pb").write_bytes(found.SerializeToString())
        return artifact

    return make


def judge(statistics: Artifact, folder: Path, previous: Artifact | None = None, **bounds: Any) -> Artifact:
    """Run ImportSchemaGen, ExampleValidator and DataGate on these statistics. Return DataGate's output."""
    schema = new(standard_artifacts.Schema, folder / "schema")
    curated = {"schema_file": str(PROJECT / "schema" / "mnist.pbtxt")}
    import_schema_gen.Executor().Do({}, {"schema": [schema]}, curated)
    anomalies = new(standard_artifacts.ExampleAnomalies, folder / "anomalies")
    example_validator.Executor().Do({"statistics": [statistics], "schema": [schema]}, {"anomalies": [anomalies]}, {})
    span = statistics.get_int_custom_property("span")
    gates = new(DataGates, folder / "DataGate" / "gates" / str(span))
    examples = new(standard_artifacts.Examples, folder / "examples")
    examples.set_int_custom_property("span", span)  # as ImportExampleGen's driver leaves it
    inputs = {"examples": [examples], "statistics": [statistics], "schema": [schema], "anomalies": [anomalies]}
    inputs |= {"previous": [previous]} if previous else {}
    executor.Executor().Do(inputs, {"gates": [gates]}, BOUNDS | bounds)
    return gates


def test_good_data_passes_and_leaves_its_gates(statistics: Callable[..., Artifact], tmp_path: Path) -> None:
    passed = judge(statistics(4, range(10)), tmp_path)
    anomalies, rarest = Gates.read(Path(passed.uri)).gates
    assert (anomalies.name, anomalies.value, anomalies.passed) == ("max_anomalies", 0, True)
    assert (rarest.name, rarest.value, rarest.passed) == ("min_label_share", 0.1, True)
    assert passed.get_int_custom_property("span") == 4


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({IMAGE_KEY: None}, r"eval, image_floats: Column dropped"),
        ({"author": text("x")}, r"eval, author: New column"),
        ({LABEL_KEY: text("three")}, r"eval, image_class: .*(type|Type)"),
        ({IMAGE_KEY: floats(100)}, r"eval, image_floats: .*shape"),
        ({LABEL_KEY: ints(3, 4)}, r"eval, image_class: .*shape"),
        ({LABEL_KEY: ints(11)}, r"eval, image_class: Out-of-range values \(Unexpectedly large value: 11"),
        ({IMAGE_KEY: floats(value=255)}, r"eval, image_floats: Out-of-range values"),
        ({IMAGE_KEY: floats(value=float("nan"))}, r"eval, image_floats: .*NaN"),
        ({IMAGE_KEY: floats(value=float("-inf"))}, r"eval, image_floats: .*-inf"),
        ({"image_pixels": floats(), IMAGE_KEY: None}, r"eval, image_floats: Column dropped.*eval, image_pixels: New"),
    ],
    ids=[
        *("missing", "new", "type", "image-shape", "label-shape", "label-domain", "pixel-range"),
        *("nan", "infinity", "renamed"),
    ],
)
def test_data_of_another_kind_ends_the_run_and_is_named(
    statistics: Callable[..., Artifact], tmp_path: Path, odd: Odd, said: str
) -> None:
    with pytest.raises(DataError, match=rf"nothing is trained on it: anomalies in the data: [1-9].*{said}"):
        judge(statistics(1, range(10), odd), tmp_path)


def test_refused_data_has_a_page_with_its_gates_anomalies_and_statistics(
    statistics: Callable[..., Artifact], tmp_path: Path
) -> None:
    odd = {IMAGE_KEY: floats(value=255), "<author>": text("x")}
    with pytest.raises(DataRefusedError) as refused:
        judge(statistics(7, range(10), odd), tmp_path)
    page = Path(refused.value.report or "")
    assert page == tmp_path / "DataGate" / "refused_data" / "7" / "report.html"
    found = RunReport.read(page.parent)
    assert (found.blessed, found.span, found.examples) == (False, 7, {"train": 10, "eval": 10})
    assert [(gate.name, gate.passed) for gate in found.gates] == [("max_anomalies", False), ("min_label_share", True)]
    shown, behind = page.read_text(), page.with_name("statistics.html").read_text()
    assert "Refused by 1 of 2 gates: anomalies in the data" in shown and "share of the rarest label" in shown
    for text_of_page in (shown, behind):
        assert "value: 255&gt;0.5" in text_of_page and "&lt;author&gt;" in text_of_page
    assert IMAGE_KEY in behind and "<svg" in behind


def test_a_page_that_cannot_be_drawn_hides_no_refusal(
    statistics: Callable[..., Artifact], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "DataGate").mkdir()
    (tmp_path / "DataGate" / "refused_data").write_text("in the way")
    with pytest.raises(DataRefusedError, match="max_anomalies") as refused:
        judge(statistics(1, range(10), {"author": text("x")}), tmp_path)
    assert refused.value.report is None and "its page could not be drawn" in capsys.readouterr().out


def test_labels_that_drift_end_the_run_and_the_next_like_it(
    statistics: Callable[..., Artifact], tmp_path: Path
) -> None:
    even, mostly_ones = list(range(10)) * 2, [1] * 12 + list(range(10))
    first = judge(statistics(1, even), tmp_path)
    drifted = statistics(2, mostly_ones)
    with pytest.raises(DataError, match=r"drift of the labels' shares since span 1: 0\.49.*\(max_label_drift\)"):
        judge(drifted, tmp_path / "refused", previous=first)
    admitted = judge(drifted, tmp_path / "admitted", previous=first, max_label_drift=0.5)
    [*_, gate] = Gates.read(Path(admitted.uri)).gates
    assert gate.value == pytest.approx(13 / 22 - 0.1)
    judge(statistics(3, mostly_ones), tmp_path / "after", previous=admitted)


def test_a_label_that_appears_or_vanishes_is_refused_by_name_unless_the_run_says_that_it_is_meant(
    statistics: Callable[..., Artifact], tmp_path: Path
) -> None:
    """Its share may be small enough for the other gates."""
    bounds = {"min_label_share": 0, "max_label_drift": 1}
    without_seven = judge(statistics(1, [*range(7), 8, 9]), tmp_path, **bounds)
    without_eight = statistics(2, [*range(8), 9])
    named = r'appeared or vanished since span 1, "a 7" appeared, "a 8" vanished: 2, expected <= 0 \(max_label_changes\)'
    with pytest.raises(DataRefusedError, match=named):
        judge(without_eight, tmp_path / "refused", previous=without_seven, **bounds)
    with pytest.raises(DataRefusedError, match="max_label_changes"):
        judge(without_eight, tmp_path / "one", previous=without_seven, **bounds, max_label_changes=1)
    meant = judge(without_eight, tmp_path / "meant", previous=without_seven, **bounds, max_label_changes=2)
    after = judge(statistics(3, [*range(8), 9]), tmp_path / "after", previous=meant, **bounds)
    [gate] = [gate for gate in Gates.read(Path(after.uri)).gates if gate.name == "max_label_changes"]
    assert (gate.subject, gate.value) == ("labels that appeared or vanished since span 2", 0)


def test_a_regressions_labels_drift_by_their_distribution() -> None:
    task, random = Regression(unit="cm"), np.random.default_rng(1)

    def of(mean: float) -> statistics_pb2.DatasetFeatureStatisticsList:
        records = [
            tf.train.Example(
                features=tf.train.Features(feature={"length": Feature(float_list=tf.train.FloatList(value=[value]))})
            ).SerializeToString()
            for value in random.normal(mean, 1, 300)
        ]
        options = tfdv.StatsOptions(schema=executor.label_schema("length", task))
        return stats_impl.generate_statistics_in_memory(ExamplesToRecordBatchDecoder().DecodeBatch(records), options)

    alike, moved = (executor.label_drift(of(mean), of(0), "length", task) for mean in (0, 2))
    assert 0 < alike < 0.1 < moved < 1


def test_the_previous_span_is_the_newest_before_it_that_passed() -> None:
    def passed(artifact_id: int, span: int) -> Artifact:
        artifact = DataGates()
        artifact.id = artifact_id
        artifact.set_int_custom_property("span", span)
        return artifact

    examples = standard_artifacts.Examples()
    examples.set_int_custom_property("span", 5)
    strategy = PreviousSpanStrategy()
    candidates = [passed(4, 3), passed(9, 2), passed(7, 5), passed(5, 3), passed(8, 6)]
    resolved = strategy.resolve_artifacts(None, {"examples": [examples], "gates": candidates})
    assert [item.id for item in resolved["gates"]] == [5]
    assert strategy.resolve_artifacts(None, {"examples": [examples], "gates": []})["gates"] == []


@pytest.mark.parametrize(
    ("labels", "rarest"),
    [
        ([3] * 10, '"a 0" in (train|eval)'),
        ([*range(8), 9] * 3, '"a 8" in (train|eval)'),
        ([], '"a 0" in train'),
    ],
    ids=["one digit", "no eights", "no examples"],
)
def test_data_without_a_digit_ends_the_run_though_a_model_of_it_would_be_perfect(
    statistics: Callable[..., Artifact], tmp_path: Path, labels: list[int], rarest: str
) -> None:
    with pytest.raises(DataError, match=rf"rarest label, {rarest}: 0, expected >= 0.01 \(min_label_share\)"):
        judge(statistics(1, labels), tmp_path)
