"""Two releases compared in LiteRT on the newer one's data, and each reason why two cannot be."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nightlite.deployment.settings import Settings
from nightlite.errors import DataError, ModelFileError, NoReleaseError, ReleaseError
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.measurements import Measurements, Percentiles
from nightlite.ondevice.in_tfx.answers.spool import SpooledInputs
from nightlite.ondevice.in_tfx.compare import comparing
from nightlite.ondevice.in_tfx.compare.candidate import Candidate
from nightlite.ondevice.in_tfx.compare.lookup import candidate
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.releases.manifest import Description
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report.file_comparison import FileComparison
from nightlite.ondevice.task import Classification, Regression
from tests.ondevice.in_tfx.whole_split import read_labelled
from tests.ondevice.releases.made_releases import declared
from tests.tiny_table.features import CONTRACT, FEATURES, LABEL_KEY
from tests.tiny_table.ingest import ingest
from tests.tiny_table.on_device import MODEL

WEIGHTS = [np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32) for seed in (30, 37)]


class Linear(tf.Module):
    """Softmax over the four measures: quick to make, and wrong often enough."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = tf.Variable(weights)

    @tf.function(input_signature=[tf.TensorSpec([1, 1], tf.float32, name=name) for name in FEATURES])
    def lite(self, *measures: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(tf.matmul(tf.concat(measures, 1), self.weights))}


def tflite(weights: np.ndarray) -> bytes:
    module = Linear(weights)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.lite.get_concrete_function()], module)
    return bytes(converter.convert())


def push(releases: Releases, content: bytes, run_id: str, **said: Any) -> None:
    releases.folder.mkdir(parents=True, exist_ok=True)
    file = releases.folder.parent / "model"
    file.write_bytes(content)
    description = Description(
        **declared(MODEL.app_contract), code_revision="abc", run_id=run_id, model_artifact_id=1, execution_id=1
    )
    releases.push(file, description.model_copy(update=said), who="Pusher")


def gate(name: str, passed: bool = True) -> Gate:
    return Gate(name=name, node_id="Judge", subject=name, relation=">=", bound=0.5, value=0.6, passed=passed)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a deployment with two releases, each of a span of its own, and a third that is no TFLite file."""
    made = Settings(var_dir=tmp_path_factory.mktemp("var"))
    folders = made.folders(MODEL.name)
    ingest("iris", folders.data)
    inputs, labels = eval_split(folders.data)
    half = Split(dict(zip(FEATURES, inputs[:20].T, strict=True)), labels[:20])
    write_span(MODEL, Dataset("half of them", half, half), folders.data)
    releases = Releases(folders.releases)
    accuracy = float(np.mean(answers(0, inputs).argmax(1) == labels))
    push(
        releases,
        tflite(WEIGHTS[0]),
        "first",
        span=1,
        gates=(gate("min_a"), gate("min_b")),
        parameters={"epochs": 3, "seed": 1},
        measurements={"accuracy": accuracy, "threads": 1},
    )
    push(
        releases,
        tflite(WEIGHTS[1]),
        "second",
        span=2,
        gates=(gate("min_b"), gate("min_c")),
        parameters={"epochs": 4, "seed": 1},
        measurements={"accuracy": 0.123},
    )
    push(releases, b"no TFLite file", "third", span=1)
    return made


def eval_split(data: Path, span: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return a span's eval examples, float32 [n, 4], and their labels."""
    files = sorted((data / f"span-{span}").glob("eval-*"))
    inputs, labels = read_labelled([str(file) for file in files], CONTRACT, LABEL_KEY)
    return np.concatenate([inputs[name] for name in FEATURES], axis=1), labels


def answers(which: int, inputs: np.ndarray) -> np.ndarray:
    logits = np.exp(inputs @ WEIGHTS[which])
    return logits / logits.sum(1, keepdims=True)


def compared(a: str, b: str, config: Settings) -> FileComparison:
    with candidate(a, MODEL, config) as first, candidate(b, MODEL, config) as second:
        return comparing.compared(first, second, MODEL, config)


@pytest.fixture(scope="module")
def found(config: Settings) -> FileComparison:
    return compared("1", "2", config)


def test_figures_classes_and_the_paired_test_are_those_of_the_files_own_answers(
    found: FileComparison, config: Settings
) -> None:
    inputs, labels = eval_split(config.folders(MODEL.name).data, span=2)
    a, b = answers(0, inputs).argmax(1), answers(1, inputs).argmax(1)
    assert (found.newer, found.data, found.examples) == ("B", "span 2", 20)
    figures = {pair.name: (pair.a, pair.b) for pair in found.figures}
    assert figures["accuracy"] == pytest.approx((np.mean(a == labels), np.mean(b == labels)))
    assert figures["size"][0] > 0 and figures["latency p50"][1] > 0
    won, lost = int(np.sum((b == labels) & (a != labels))), int(np.sum((a == labels) & (b != labels)))
    assert (found.paired.won, found.paired.lost, found.paired.n) == (won, lost, 20) and won + lost
    assert {item.label: (item.examples, item.a, item.b) for item in found.classes} == {
        MODEL.labels[label]: (
            np.sum(labels == label),
            pytest.approx(np.mean(a[labels == label] == label)),
            pytest.approx(np.mean(b[labels == label] == label)),
        )
        for label in np.unique(labels)
    }


def test_the_shown_examples_are_those_on_which_they_differ_most_different_first(
    found: FileComparison, config: Settings
) -> None:
    inputs, labels = eval_split(config.folders(MODEL.name).data, span=2)
    a, b = answers(0, inputs), answers(1, inputs)
    differ = np.flatnonzero(a.argmax(1) != b.argmax(1))
    assert found.differing == len(differ) > 1
    assert {example.index for example in found.shown} == set(differ)
    changes = [np.abs(a - b)[example.index].max() for example in found.shown]
    assert changes == sorted(changes, reverse=True)
    first = found.shown[0]
    assert first.label == labels[first.index]
    assert first.probabilities["released"] == pytest.approx(a[first.index], abs=1e-5)
    assert first.probabilities["tflite"] == pytest.approx(b[first.index], abs=1e-5)
    assert first.values["petal_length"][0] == inputs[first.index][FEATURES.index("petal_length")]


def test_gates_are_paired_by_their_names_and_parameters_told_where_they_differ(found: FileComparison) -> None:
    assert [(pair.name, bool(pair.a), bool(pair.b)) for pair in found.gates] == [
        ("min_b", True, True),
        ("min_c", False, True),
        ("min_a", True, False),
    ]
    assert (found.a.parameters, found.b.parameters) == ({"epochs": 3}, {"epochs": 4})
    assert (found.a.title, found.b.title, found.b.run_id) == ("release 1", "release 2", "second")


def test_another_accuracy_than_the_runs_own_is_a_doubt_about_the_data(found: FileComparison, config: Settings) -> None:
    assert "release 2 had accuracy 0.123 in its own run, and has 0." in found.note
    same = compared("1", "1", config)
    assert same.note == "" and same.verdict == "A and B are the very same file"
    assert same.differing == 0 and same.data == "span 1"


def test_labels_are_those_of_the_files_whatever_the_model_declares_by_now(
    found: FileComparison, config: Settings
) -> None:
    renamed = MODEL.model_copy(update={"task": Classification(labels=("a", "b", "c"))})
    with candidate("1", renamed, config) as first, candidate("2", renamed, config) as second:
        later = comparing.compared(first, second, renamed, config)
    assert (later.card, later.classes) == (found.card, found.classes)


def test_a_file_that_litert_cannot_run_is_named(config: Settings) -> None:
    with pytest.raises(ModelFileError, match=r"^release 3: LiteRT cannot load it or run it"):
        compared("3", "1", config)
    with pytest.raises(ModelFileError, match=r"^release 3: LiteRT cannot load it or run it"):
        compared("1", "latest", config)
    assert not [*config.folders(MODEL.name).root.glob(".compare-*")]


def test_another_contract_is_refused_with_the_difference(config: Settings) -> None:
    with candidate("1", MODEL, config) as first, candidate("2", MODEL, config) as second:
        other = AppContract(**{**dict(first.contract), "labels": ("a", "b", "c")})
        with pytest.raises(DataError, match=r"release 1 and release 2, which differ \(output: labels \[setosa, .*\]"):
            comparing.compared(replace(first, contract=other), second, MODEL, config)


def test_data_that_is_gone_or_unknown_is_one_sentence(config: Settings, tmp_path: Path) -> None:
    data = config.folders(MODEL.name).data
    with candidate("1", MODEL, config) as first, candidate("2", MODEL, config) as second:
        with pytest.raises(DataError, match="does not say its span of data"):
            comparing.compared(first, replace(second, span=None), MODEL, config)
        shutil.move(data / "span-2", tmp_path / "span-2")
        try:
            with pytest.raises(DataError, match=r"the eval data of release 2, span 2 in .*\. Received: no such span"):
                comparing.compared(first, second, MODEL, config)
        finally:
            shutil.move(tmp_path / "span-2", data / "span-2")


def test_an_unknown_release_a_damaged_one_and_none_at_all_are_refused(config: Settings, tmp_path: Path) -> None:
    with pytest.raises(NoReleaseError, match=r"\(1, 2, 3\)\. Received: 9"):
        compared("9", "1", config)
    copy = Settings(var_dir=tmp_path / "var")
    with pytest.raises(NoReleaseError, match="none yet"):
        compared("latest", "1", copy)
    shutil.copytree(config.folders(MODEL.name).releases, copy.folders(MODEL.name).releases, symlinks=True)
    (copy.folders(MODEL.name).releases / "1" / "model.tflite").write_bytes(b"changed")
    with pytest.raises(ReleaseError, match="Do not use this release"):
        compared("2", "1", copy)


def test_a_regression_is_compared_by_its_errors(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        **dict(MODEL),
        "task": Regression(unit="cm"),
        "output": CONTRACT.output.model_copy(update={"shape": (1, 1)}),
    }
    model = OnDeviceModel.model_validate(told)
    labels = np.array([1, 2, 3, 4, 5, 6], np.float32)
    split = Split({name: np.arange(6, dtype=np.float32) for name in FEATURES}, labels)
    write_span(model, Dataset("made up", split, split), tmp_path)
    outputs = [labels[:, None] + change for change in (np.float32(2), np.array([[0.5]] * 5 + [[-3]], np.float32))]
    speed = Measurements(
        size_bytes=1,
        load_ms=1,
        latency_ms=Percentiles(p50=1, p90=1, p95=1, p99=1),
        threads=1,
        peak_memory_mib=1,
        contract=model.contract,
        litert_version="2",
    )
    orders = []

    def measured(_: object, inputs: SpooledInputs, *__: object) -> tuple[list[Measurements], list[list[np.ndarray]]]:
        # Each example's features are its place in the data. A span's order is another.
        orders.append(inputs.first(None)[FEATURES[0]].ravel().astype(int))
        return [speed, speed], [[found[orders[0]]] for found in outputs]

    monkeypatch.setattr(comparing, "measure_in_child", measured)
    with candidate("1", MODEL, config) as first, candidate("2", MODEL, config) as second:
        files = tuple(map(str, sorted((tmp_path / "span-1").glob("eval-*"))))
        pair = [_as_regression(item, model, files) for item in (first, second)]
        found = comparing.compared(*pair, model, config)
    figures = {item.name: (item.a, item.b, item.unit) for item in found.figures}
    assert figures["mean error"] == (2, pytest.approx(5.5 / 6), "cm")
    assert figures["bias"][:2] == (2, pytest.approx(-0.5 / 6))
    assert (found.paired.won, found.paired.lost) == (5, 1)
    assert (found.classes, found.differing) == ((), None)
    assert (orders[0][found.shown[0].index], found.shown[0].label) == (5, 6.0)


def _as_regression(item: Candidate, model: OnDeviceModel, files: tuple[str, ...]) -> Candidate:
    return replace(item, contract=model.app_contract, eval_files=files, measurements={})
