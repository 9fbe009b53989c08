"""ModelReport on small but real artifacts: two models that differ, TFMA's, TFDV's and training's own files."""

import base64
import html.parser
import io
import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

from models.mnist.model.features import IMAGE_KEY, LABEL_KEY
from models.mnist.on_device import MODEL
from nightlite.errors import DataError
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.in_tfx.answers.eval_answers import ANSWERS_FILE, EvalAnswers
from nightlite.ondevice.in_tfx.edge_validator import executor
from nightlite.ondevice.in_tfx.ingest.examples import Split
from nightlite.ondevice.in_tfx.report import component, history, pages
from nightlite.ondevice.in_tfx.report.executor import Executor
from nightlite.ondevice.report.run_report import Report
from nightlite.ondevice.results.quality import Quality
from tests.models.mnist.made_digits import make_split
from tests.ondevice.in_tfx.report.report_artifacts import (
    EVIL,
    KEYS,
    save_data,
    save_evaluation,
    save_models,
    save_training,
    softmax,
)
from tests.ondevice.in_tfx.whole_split import read_labelled


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split(200, seed=3)


@pytest.fixture(scope="module")
def weights() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    first = random.normal(size=(784, 10), scale=0.2).astype(np.float32)
    return first, first + random.normal(size=(784, 10), scale=0.05).astype(np.float32)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory, split: Split, weights: tuple[np.ndarray, np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    save_models(folder, *weights)
    save_data(folder, split)
    save_training(folder / "model_run")
    for name, matrix in zip(("evaluation", "lite_evaluation"), weights, strict=True):
        save_evaluation(folder / name, split.labels, softmax(split, matrix))
    gates = (
        Gate(name="min_a", node_id="E", subject="accuracy", relation=">=", bound=0.0, value=0.1, passed=True),
        Gate(name="min_b", node_id="V", subject=EVIL, relation="<=", bound=5, value=7.5, unit="ms", passed=False),
    )
    (folder / "infra_blessing").mkdir()
    _answered(folder, "model", "baseline_model").write(folder / "infra_blessing")
    Gates(gates=gates).write(folder / "infra_blessing")
    baseline = {"size_bytes": 1, "latency_ms": {"p50": 3.5}}
    measurements = {"size_bytes": 2, "load_ms": 1.25, "latency_ms": {"p50": 2.5}, "accuracy": 1, "baseline": baseline}
    (folder / "infra_blessing" / "measurements.json").write_text(json.dumps(measurements))
    return folder


@pytest.fixture(scope="module")
def written(artifacts: Path, split: Split) -> Split:
    """Return the split in the order of its file."""
    files = [str(file) for file in (artifacts / "examples" / "Split-eval").iterdir()]
    found, _ = read_labelled(files, MODEL.contract, LABEL_KEY)
    places = {image.tobytes(): place for place, image in enumerate(split.inputs[IMAGE_KEY])}
    levels = ((found[IMAGE_KEY] + 0.5) * 255).round().astype(np.uint8)
    return split.take(np.array([places[image.tobytes()] for image in levels]))


_TYPES = {
    "examples": standard_artifacts.Examples,
    "statistics": standard_artifacts.ExampleStatistics,
    "anomalies": standard_artifacts.ExampleAnomalies,
    "model": standard_artifacts.Model,
    "model_run": standard_artifacts.ModelRun,
    "evaluation": standard_artifacts.ModelEvaluation,
    "lite_evaluation": standard_artifacts.ModelEvaluation,
    "infra_blessing": standard_artifacts.InfraBlessing,
}


def _artifact(kind: Any, uri: Path) -> list[Any]:
    made = kind()
    made.uri = str(uri)
    return [made]


def _answered(folder: Path, *files: str) -> EvalAnswers:
    """Return what EdgeValidator keeps of these models and examples."""
    inputs = {name: _artifact(standard_artifacts.Model, folder / "lite") for name in files}
    inputs["keras_model"] = _artifact(standard_artifacts.Model, folder / "keras")
    inputs["examples"] = _artifact(standard_artifacts.Examples, folder / "examples")
    inputs["examples"][0].split_names = json.dumps(["eval"])
    contract = MODEL.app_contract.model_dump_json()
    parameters = {"contract_json": contract, "label_key": LABEL_KEY, "threads": 1, "quantization": "none"}
    with tempfile.TemporaryDirectory() as spool:
        return executor._measure(inputs, parameters, Quality(), Path(spool))[1]


def run(artifacts: Path, folder: Path, **keys: str) -> Report:
    """Run the executor as TFX does."""
    folder.mkdir(parents=True)
    inputs = {
        name: _artifact(kind, artifacts / ("keras" if name == "model" else name)) for name, kind in _TYPES.items()
    }
    inputs["examples"][0].set_int_custom_property("span", 12)
    inputs["examples"][0].set_string_custom_property("sources", "a folder of theirs")
    Executor(None).Do(inputs, {"report": _artifact(component.Report, folder)}, {**KEYS, **keys})
    return Report.read(folder)


@pytest.fixture(scope="module")
def made(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "5"
    run(artifacts, folder)
    return folder


@pytest.fixture(scope="module")
def report(made: Path) -> Report:
    return Report.read(made)


def test_figures_are_those_of_the_models_own_outputs(
    report: Report, split: Split, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    for key, matrix in zip(("keras", "tflite"), weights, strict=True):
        column = report.model(key)
        expected = softmax(split, matrix)
        predicted = expected.argmax(1)
        assert column.accuracy == pytest.approx((predicted == split.labels).mean())
        assert column.loss == pytest.approx(-np.log(expected[range(200), split.labels]).mean(), rel=1e-3)
        assert sum(map(sum, column.confusion)) == 200
        assert column.confusion[3][4] == ((split.labels == 3) & (predicted == 4)).sum()
        assert column.class_accuracy[3] == pytest.approx((predicted[split.labels == 3] == 3).mean())
        # TFMA, from the same probabilities, comes to the same.
        assert column.tfma.accuracy == pytest.approx(column.accuracy, abs=1e-6)


def test_agreement_and_mistakes_are_counted_and_the_most_different_come_first(
    report: Report, written: Split, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    keras, tflite = (softmax(written, matrix) for matrix in weights)
    differ = keras.argmax(1) != tflite.argmax(1)
    assert 0 < differ.sum() < 200
    assert report.agreement.agreeing == 200 - differ.sum()
    assert report.agreement.largest_difference == pytest.approx(np.abs(keras - tflite).max(), abs=1e-4)
    assert sum(report.agreement.counts) == 200
    assert report.mistakes.disagreements == differ.sum()
    first, second = report.mistakes.shown[:2]
    assert first.kind == "disagree" and differ[_index(report, written, first)]
    assert _difference(first) >= _difference(second)
    assert len(report.mistakes.shown) <= 48


def _difference(mistake: Any) -> float:
    return float(np.abs(np.subtract(mistake.probabilities["keras"], mistake.probabilities["tflite"])).max())


def _index(report: Report, split: Split, mistake: Any) -> int:
    assert split.labels[mistake.index] == mistake.label
    return int(mistake.index)


def test_the_last_release_stands_beside_them_with_its_latency(report: Report) -> None:
    released, tflite = report.model("released"), report.model("tflite")
    assert released.accuracy == tflite.accuracy
    assert (tflite.measurements.latency_ms["p50"], released.measurements.latency_ms["p50"]) == (2.5, 3.5)
    assert (tflite.size_bytes, released.size_bytes) == (2, 1)
    assert report.model("keras").measurements is None and report.model("keras").size_bytes > 784 * 10 * 4


def test_the_gates_decide_the_verdict(report: Report) -> None:
    assert report.blessed is False
    assert report.verdict.startswith("Refused by 1 of 2 gates: ")
    assert [gate.name for gate in report.refused] == ["min_b"]


def test_training_data_and_anomalies_are_what_the_artifacts_hold(report: Report, split: Split) -> None:
    assert report.training["loss"] == pytest.approx((0.9, 0.5, 0.25))
    assert report.training["val_loss"] == pytest.approx((0.45, 0.25, 0.125))
    assert (report.span, report.source, report.examples) == (12, "a folder of theirs", {"eval": 200})
    assert len(report.eval_set) == 16 and report.as_past_run().eval_set == report.eval_set
    [feature] = report.statistics
    assert (feature.name, feature.missing) == (EVIL, 0)
    assert feature.mean == pytest.approx(split.labels.mean())
    assert sum(bucket.count for bucket in feature.histogram) == pytest.approx(200, rel=0.01)
    # TFDV puts quotes around a name that is no plain one.
    assert {anomaly.feature == "gone" or EVIL[:8] in anomaly.feature for anomaly in report.anomalies} == {True}
    assert len(report.anomalies) == 2
    assert report.versions["tfx"].startswith("1.")
    assert report.parameters == {"epochs": 7, "force": False}


def test_tfmas_slices_are_all_there(report: Report) -> None:
    slices = {item.slice: item.metrics for item in report.evaluations["tflite"]}
    assert all(math.isfinite(value) for metrics in slices.values() for value in metrics.values())
    assert 0 <= slices[""]["recall (classId:3)"] <= 1
    assert set(slices) == {"", *(f"{LABEL_KEY} {digit}" for digit in range(10))}
    assert slices[f"{LABEL_KEY} 3"]["sparse_categorical_accuracy"] == pytest.approx(
        report.model("tflite").class_accuracy[3], abs=1e-6
    )


class Page(html.parser.HTMLParser):
    """Reader of what a page asks a browser to fetch or run, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        names = ("src", "srcset", "data", "xlink:href", "action", "poster")
        self.fetched += [value or "" for name, value in attributes if name in names]
        self.fetched += [value or "" for name, value in attributes if tag == "link" and name == "href"]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", pages.PAGES)
def test_every_page_stands_alone_and_runs_nothing(made: Path, name: str) -> None:
    text = (made / name).read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and not page.tags & {"iframe", "object", "embed", "form"}
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in page.fetched)
    assert "@import" not in text and "url(http" not in text.replace(" ", "")
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    assert len(text) < 1_500_000


def test_the_page_shows_the_verdict_the_gates_and_each_mistake(made: Path, report: Report) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert report.verdict in page.text
    for gate in report.gates:
        assert gate.subject in page.text
    assert "7.5 ms" in page.text and "≤ 5 ms" in page.text
    assert text.count("data:image/png") == len(report.mistakes.shown) > 0
    assert EVIL not in text and "&lt;script&gt;" in text
    assert "Last release" in page.text
    assert EVIL in Page((made / "statistics.html").read_text(encoding="utf-8")).text


@pytest.mark.parametrize(("key", "passed", "wrong"), [("tflite", True, 0), ("tflite", False, 1), ("keras", True, 1)])
def test_a_difference_from_tfma_that_its_gate_allows_is_no_fault(
    report: Report, key: str, passed: bool, wrong: int
) -> None:
    """TFMA runs a quantized file without the delegate that phones use, and may round one image otherwise."""
    name = "max_tfma_difference"
    gate = Gate(name=name, node_id="V", subject=name, relation="<=", bound=0.003, value=0.0028, passed=passed)
    models = tuple(
        column.model_copy(update={"tfma": Quality(accuracy=0.12345)}) if column.key == key else column
        for column in report.models
    )
    page = Page(pages.render(report.model_copy(update={"gates": (gate,), "models": models}))["report.html"])
    assert page.text.count("one of the two fed it wrongly") == wrong
    assert page.text.count("found 12.345 %") == 1


def test_a_first_run_without_a_release_has_a_report_too(artifacts: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    shutil.copytree(artifacts, first)
    _answered(first, "model").write(first / "infra_blessing")
    report = run(first, tmp_path / "1")
    assert [column.key for column in report.models] == ["keras", "tflite"]
    assert "Last release" not in Page((tmp_path / "1" / "report.html").read_text(encoding="utf-8")).text


def test_history_is_what_came_before_whatever_else_lies_there(made: Path, report: Report, tmp_path: Path) -> None:
    for name in (2, 7, 10, 30):
        shutil.copytree(made, tmp_path / str(name))
        report.model_copy(update={"run_id": f"run {name}"}).write(tmp_path / str(name))
    (tmp_path / "7" / "report.json").write_text('{"schema_version": 1, "trunc')
    (tmp_path / "8").mkdir()
    (tmp_path / "9").mkdir()
    (tmp_path / "9" / "report.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "notes").mkdir()
    found = history.past_runs(tmp_path / "20")
    assert [past.run_id for past in found] == ["run 2", "run 10"]
    assert [past.run_id for past in history.past_runs(tmp_path / "20", longest=1)] == ["run 10"]
    assert report.history[-1] == report.as_past_run()


def test_it_draws_the_images_of_the_split_without_reading_it(
    artifacts: Path, report: Report, written: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mistake in report.mistakes.shown:
        drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(mistake.png))))
        assert np.array_equal(drawn, 255 - written.inputs[IMAGE_KEY][mistake.index])
    monkeypatch.setattr(tf.saved_model, "load", None)
    shutil.copytree(artifacts, tmp_path / "read", ignore=shutil.ignore_patterns("eval-*"))
    again = run(tmp_path / "read", tmp_path / "1")
    assert (again.models, again.mistakes, again.eval_set) == (report.models, report.mistakes, report.eval_set)


def test_without_answers_it_says_whose_they_are(artifacts: Path, tmp_path: Path) -> None:
    shutil.copytree(artifacts, tmp_path / "unmeasured", ignore=shutil.ignore_patterns(ANSWERS_FILE))
    with pytest.raises(DataError, match=r"expected answers.json of EdgeValidator's.* gate 'contract' says why"):
        run(tmp_path / "unmeasured", tmp_path / "1")


def test_a_split_without_examples_is_named(artifacts: Path, tmp_path: Path) -> None:
    shutil.copytree(artifacts, tmp_path / "empty", ignore=shutil.ignore_patterns("eval-*"))
    with pytest.raises(DataError, match="expected at least one example"):
        _answered(tmp_path / "empty", "model")
