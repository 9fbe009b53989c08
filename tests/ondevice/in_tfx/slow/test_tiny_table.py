"""A table of four features and three classes: the seam between library and model has no picture's shape."""

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from ai_edge_litert.interpreter import Interpreter

from nightlite.deployment.settings import Settings
from nightlite.errors import DataError, UsageError
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import CandidateMeasurements
from nightlite.ondevice.in_tfx.compare.comparing import compared
from nightlite.ondevice.in_tfx.compare.lookup import candidate
from nightlite.ondevice.in_tfx.compare.run_file import file_of_run
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.in_tfx.golden_check import require_golden
from nightlite.ondevice.in_tfx.raw_examples import read_labelled
from nightlite.ondevice.releases.manifest import CARD_FILE
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report.run_report import Report
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx.run_local import run_local
from tests.browser import needs
from tests.ondevice.in_tfx.gate_laboratory import Run
from tests.tiny_table.deployment import deployed
from tests.tiny_table.features import FEATURES, LABELS
from tests.tiny_table.on_device import MODEL
from web import in_chromium

_ANY_SPEED = {"max_load_ms": 1e5, "max_latency_ms": 1e5, "max_latency_ratio": 1e5}
# In no order that sorting would give; the sizes in cm of three flowers of the three species.
_FLOWERS = {
    "petal_width": [[0.2], [1.4], [2.5]],
    "sepal_length": [[5.1], [7.0], [6.3]],
    "petal_length": [[1.4], [4.7], [6.0]],
    "sepal_width": [[3.5], [3.2], [3.3]],
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return deployed(tmp_path_factory.mktemp("var"))


@pytest.fixture(scope="module")
def compiled(settings: Settings) -> CompiledPipeline:
    assert not settings.schema_file(MODEL).exists()
    return compile_model(MODEL, settings)


@pytest.fixture(scope="module")
def released(settings: Settings, compiled: CompiledPipeline) -> Run:
    return run_local(compiled, "first", settings.mlmd_url, _ANY_SPEED)


@pytest.fixture(scope="module")
def refused(settings: Settings, compiled: CompiledPipeline, released: Run) -> Run:
    """Return a run of fewer epochs, which no model could pass."""
    return run_local(compiled, "second", settings.mlmd_url, {**_ANY_SPEED, "epochs": 2, "min_accuracy": 1.01})


def folder(run: Run, node_id: str, key: str) -> Path:
    [found] = run[node_id].outputs[key]
    return Path(found.uri)


def gates(run: Run) -> tuple[Gate, ...]:
    return Gates.read(folder(run, "EdgeValidator", "blessing")).gates


def test_a_good_model_is_released_with_its_four_inputs(settings: Settings, released: Run) -> None:
    assert [str(gate) for gate in gates(released) if not gate.passed] == []
    latest = Releases(settings.folders(MODEL.name).releases).latest()
    assert latest and latest.version == 1
    manifest = latest.manifest
    assert {(item.name, item.dtype, item.shape) for item in manifest.inputs} == {
        (name, "float32", (1, 1)) for name in FEATURES
    }
    assert [item.shape for item in manifest.outputs] == [(1, 3)] and manifest.labels == LABELS
    assert manifest.metrics["accuracy"] >= 0.9
    named = [gate.subject for gate in gates(released) if gate.name in ("min_class_accuracy", "min_label_share")]
    assert len(named) == 3 and all(any(f', "{label}"' in subject for label in LABELS) for subject in named)


def test_the_released_file_answers_by_name_and_imputes_what_is_missing(settings: Settings, released: Run) -> None:
    latest = Releases(settings.folders(MODEL.name).releases).latest()
    assert latest
    ask = Interpreter(model_content=latest.model()).get_signature_runner("serving_default")
    inputs = {name: np.array(values, np.float32) for name, values in _FLOWERS.items()}
    [answers] = ask(**inputs).values()
    assert answers.argmax(axis=1).tolist() == [0, 1, 2]
    [others] = ask(**{**inputs, "sepal_width": np.full((3, 1), np.nan, np.float32)}).values()
    assert np.isfinite(others).all() and others.argmax(axis=1).tolist() == [0, 1, 2]


def test_the_release_proves_itself_by_golden_examples_of_every_class_and_has_a_card(
    settings: Settings, released: Run
) -> None:
    latest = Releases(settings.folders(MODEL.name).releases).latest()
    assert latest
    latest.verify()
    golden = latest.golden()
    assert golden and {example.label for example in golden.examples} == set(LABELS) and len(golden.examples) == 10
    assert set(golden.examples[0].inputs) == set(FEATURES)
    assert require_golden(latest).startswith("10 of 10 golden examples agree (largest difference 0, ")
    measured = CandidateMeasurements.model_validate(latest.manifest.measurements)
    assert (measured.compiled_model_examples, measured.compiled_model_difference) == (45, 0)
    assert measured.fully_accelerated is False  # XNNPACK runs no operator that finds a missing value
    card = (latest.folder / CARD_FILE).read_text(encoding="utf-8")
    for words in (*LABELS, *FEATURES, MODEL.intended_use, MODEL.limits, MODEL.data_licence, latest.manifest.source):
        assert words and words in card
    assert not re.search(r"\b(mnist|digits?|images?)\b", card, re.IGNORECASE)


def test_it_is_transform_that_imputes_and_scales(released: Run) -> None:
    graph = tft.TFTransformOutput(str(folder(released, "Transform", "transform_graph")))
    flowers = {name: tf.constant([*values, [np.nan]], tf.float32) for name, values in _FLOWERS.items()}
    scaled = graph.transform_features_layer()(flowers)["petal_width_xf"].numpy()
    assert scaled[0, 0] < -1 < 1 < scaled[2, 0] and scaled[3, 0] == 0


@pytest.fixture(scope="module", params=["float16", "dynamic", "int8"])
def quantized(request: pytest.FixtureRequest, settings: Settings, compiled: CompiledPipeline, released: Run) -> Run:
    parameters = {**_ANY_SPEED, "quantization": request.param, "push": "dry run"}
    return run_local(compiled, request.param, settings.mlmd_url, parameters)


def test_each_quantization_of_it_passes_its_gates(quantized: Run) -> None:
    assert [str(gate) for gate in gates(quantized) if not gate.passed] == []


@needs(in_chromium.missing(), "a release in a browser")
def test_the_release_answers_in_a_browser_as_on_the_build_host(settings: Settings, released: Run) -> None:
    latest = Releases(settings.folders(MODEL.name).releases).latest()
    assert latest
    found = in_chromium.golden(latest.folder)
    assert (found["agreeing"], found["examples"], found["version"]) == (10, 10, 1)


@needs(in_chromium.missing(), "a release in a browser")
def test_each_quantization_of_it_answers_in_a_browser_as_on_the_build_host(quantized: Run, tmp_path: Path) -> None:
    edge = folder(quantized, "EdgeValidator", "blessing")
    shutil.copy(edge / "golden.json", tmp_path)
    model = folder(quantized, f"Trainer.{MODEL.name}_lite", "model")
    shutil.copy(model / "Format-Serving" / "tflite", tmp_path / "model.tflite")
    sha256 = json.loads((edge / "measurements.json").read_text())["sha256"]
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1, "sha256": sha256}))
    found = in_chromium.golden(tmp_path)
    assert (found["agreeing"], found["examples"]) == (10, 10)


def test_the_schema_is_inferred_and_both_evaluations_agree_with_litert(released: Run) -> None:
    schema = (folder(released, "SchemaGen", "schema") / "schema.pbtxt").read_text()
    assert all(f'name: "{name}"' in schema for name in (*FEATURES, "species"))
    measurements = json.loads((folder(released, "EdgeValidator", "blessing") / "measurements.json").read_text())
    # A feature that TFMA cannot find is filled with -1, and it then finds another accuracy.
    assert measurements["tfma_accuracy"] == pytest.approx(measurements["accuracy"], abs=1e-6)
    assert measurements["keras_agreement"] == 1 and measurements["max_abs_difference"] < 1e-5


def test_an_impossible_threshold_refuses_it_by_name_and_the_release_stays(settings: Settings, refused: Run) -> None:
    # Fewer epochs make it worse than the release besides.
    names = {gate.name for gate in gates(refused) if not gate.passed}
    assert "min_accuracy" in names and "contract" not in names
    assert refused[MODEL.pusher].state == "skipped"
    assert Releases(settings.folders(MODEL.name).releases).versions() == [1]


def test_the_report_shows_table_rows_and_the_models_labels_and_no_picture(refused: Run) -> None:
    place = folder(refused, "OutcomeReport", "outcome_report")
    report, page = Report.read(place), (place / "report.html").read_text(encoding="utf-8")
    assert report.mistakes.shown and report.card == MODEL.card
    assert {tuple(sorted(item.values)) for item in report.mistakes.shown} == {tuple(sorted(FEATURES))}
    assert "<img" not in page and "data:image" not in page
    assert page.count('<th class="text" scope="row">petal_width</th>') == len(report.mistakes.shown)
    text = html.unescape(re.sub("<[^>]*>", " ", page.split("</style>", 1)[1]))
    assert "Flowers to look at" in text and "45 flowers" in text
    for words in (*LABELS, MODEL.intended_use, MODEL.limits, MODEL.data_licence):
        assert words in text
    assert not re.search(r"\b(mnist|digits?|images?)\b", text, re.IGNORECASE)


def test_a_runs_file_is_found_by_its_id_and_compared_with_a_release(
    settings: Settings, released: Run, refused: Run
) -> None:
    with candidate("1", MODEL, settings) as first, candidate("second", MODEL, settings) as second:
        assert first.contract.changes(second.contract) == () and first.run_id == "first"
        assert second.gates == gates(refused) and second.span == first.span == 1
        found = compared(first, second, MODEL, settings)
    assert (found.newer, found.a.title, found.b.title) == ("B", "release 1", "run second")
    # Of the same examples as in the run itself, in its own order.
    accuracy = next(item for item in found.figures if item.name == "accuracy")
    measured = CandidateMeasurements.read(folder(refused, "EdgeValidator", "blessing"))
    assert accuracy.b == pytest.approx(measured.accuracy) and found.note == ""
    assert measured.against_baseline and measured.baseline
    assert (found.paired.won, found.paired.lost) == (measured.against_baseline.won, measured.against_baseline.lost)
    assert found.b.parameters["epochs"] == 2 and found.b.refusals
    assert all(sorted(example.values) == sorted(FEATURES) for example in found.shown)


def test_the_data_of_a_run_is_that_of_its_artifact_or_else_its_span(settings: Settings, refused: Run) -> None:
    with candidate("second", MODEL, settings) as own:
        data = settings.folders(MODEL.name).data
        [artifact] = own.eval_split(data)
        [span] = replace(own, eval_files=()).eval_split(data)
        assert Path(span).parent == data / "span-1" and Path(artifact).parent.name == "Split-eval"
        labels = [read_labelled([file], own.contract.file, MODEL.label_key)[1] for file in (artifact, span)]
        assert sorted(labels[0]) == sorted(labels[1])


def test_an_unknown_run_and_one_whose_file_was_removed_are_one_sentence(
    settings: Settings, refused: Run, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"or the id of a run of iris_tflite\. Received: 'third'"):
        file_of_run("third", MODEL, settings)
    # A run of another model is none of this one's.
    with pytest.raises(UsageError, match=r"or the id of a run of other_tflite\. Received: 'second'"):
        file_of_run("second", MODEL.model_copy(update={"name": "other"}), settings)
    model = folder(refused, f"Trainer.{MODEL.name}_lite", "model")
    shutil.move(model, tmp_path / "model")
    try:
        with pytest.raises(DataError, match="the file of run second was removed with its artifacts"):
            file_of_run("second", MODEL, settings)
    finally:
        shutil.move(tmp_path / "model", model)
