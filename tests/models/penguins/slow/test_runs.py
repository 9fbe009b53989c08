"""Real runs of a table: several inputs, categories, missing values; the seam to the library has no picture's shape."""

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
from click.testing import Result
from typer.testing import CliRunner

from models.penguins.features import FEATURES, LABELS
from models.penguins.ingest import ingest
from models.penguins.on_device import MODEL
from nightlite.deployment.in_tfx import predict_command
from nightlite.deployment.settings import Settings
from nightlite.errors import DataError, UsageError
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import CandidateMeasurements
from nightlite.ondevice.in_tfx import curated_schema
from nightlite.ondevice.in_tfx.compare.comparing import compared
from nightlite.ondevice.in_tfx.compare.lookup import candidate
from nightlite.ondevice.in_tfx.compare.run_file import file_of_run
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.in_tfx.golden_check import require_golden
from nightlite.ondevice.releases.manifest import CARD_FILE
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report.run_report import Report
from nightlite.ondevice.try_it.declared import declared
from nightlite.ondevice.try_it.page import try_page
from nightlite.ondevice.try_it.runtime import web_runtime
from nightlite.ondevice.try_it.subjects import of_release
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx.beam import memo
from nightlite.runner.in_tfx.run_local import run_local
from tests.browser import needs
from tests.ondevice.in_tfx.gate_laboratory import Run
from tests.ondevice.in_tfx.whole_split import read_labelled
from web import in_chromium, try_steps

_ANY_SPEED = {"max_load_ms": 1e5, "max_latency_ms": 1e5, "max_latency_ratio": 1e5}
# In no order that sorting would give: a penguin of each species.
_PENGUINS = {
    "island": [[2], [1], [0]],
    "flipper_length_mm": [[181], [192], [210]],
    "body_mass_g": [[3750], [3500], [4450]],
    "bill_length_mm": [[39.1], [46.5], [48.7]],
    "sex": [[1], [0], [0]],
    "bill_depth_mm": [[18.7], [17.9], [14.1]],
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    memo.install()
    config = Settings(var_dir=tmp_path_factory.mktemp("var"))
    ingest("penguins", config.folders(MODEL.name).data)
    return config


@pytest.fixture(scope="module")
def compiled(settings: Settings) -> CompiledPipeline:
    assert settings.schema_file(MODEL).exists()
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


def run_command(arguments: list[str]) -> Result:
    result = CliRunner().invoke(predict_command.app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def gates(run: Run) -> tuple[Gate, ...]:
    return Gates.read(folder(run, "EdgeValidator", "blessing")).gates


def test_a_good_model_is_released_with_its_six_inputs(settings: Settings, released: Run) -> None:
    assert [str(gate) for gate in gates(released) if not gate.passed] == []
    latest = Releases(settings.folders(MODEL.name).releases).latest()
    assert latest and latest.version == 1
    manifest = latest.manifest
    assert {(item.name, item.dtype, item.shape) for item in manifest.inputs} == {
        (name, "float32", (1, 1)) for name in FEATURES
    }
    assert [item.shape for item in manifest.outputs] == [(1, 3)] and manifest.labels == LABELS
    assert manifest.metrics["accuracy"] >= 0.9
    meanings = {item.name: item.meaning for item in manifest.inputs}
    assert meanings["island"].vocabulary == ("Biscoe", "Dream", "Torgersen") and meanings["body_mass_g"].unit == "g"
    named = [gate.subject for gate in gates(released) if gate.name in ("min_class_accuracy", "min_label_share")]
    assert len(named) == 3 and all(any(f', "{label}"' in subject for label in LABELS) for subject in named)


def test_the_released_file_answers_by_name_and_imputes_what_is_missing(settings: Settings, released: Run) -> None:
    latest = Releases(settings.folders(MODEL.name).releases).latest()
    assert latest
    ask = Interpreter(model_content=latest.model()).get_signature_runner("serving_default")
    inputs = {name: np.array(values, np.float32) for name, values in _PENGUINS.items()}
    [answers] = ask(**inputs).values()
    assert answers.argmax(axis=1).tolist() == [0, 1, 2]
    for name in ("sex", "flipper_length_mm"):
        [others] = ask(**{**inputs, name: np.full((3, 1), np.nan, np.float32)}).values()
        assert np.isfinite(others).all() and others.argmax(axis=1).tolist() == [0, 1, 2]
    [unknown] = ask(**{name: np.full((1, 1), np.nan, np.float32) for name in FEATURES}).values()
    assert np.isfinite(unknown).all() and unknown.sum() == pytest.approx(1)


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
    assert (measured.compiled_model_examples, measured.compiled_model_difference) == (69, 0)
    assert measured.fully_accelerated is False  # XNNPACK runs no operator that finds a missing value
    card = (latest.folder / CARD_FILE).read_text(encoding="utf-8")
    for words in (*LABELS, *FEATURES, MODEL.intended_use, MODEL.limits, MODEL.data_licence, latest.manifest.source):
        assert words and words in card
    assert not re.search(r"\b(mnist|digits?|images?)\b", card, re.IGNORECASE)


def test_it_is_transform_that_imputes_and_scales(released: Run) -> None:
    graph = tft.TFTransformOutput(str(folder(released, "Transform", "transform_graph")))
    penguins = {name: tf.constant([*values, [np.nan]], tf.float32) for name, values in _PENGUINS.items()}
    found = graph.transform_features_layer()(penguins)
    scaled = found["body_mass_g_xf"].numpy()
    assert -1 < scaled[0, 0] < 0 < scaled[2, 0] < 1 and scaled[3, 0] == 0
    assert found["island_xf"].numpy().tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]


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


@needs(in_chromium.missing(), "a release in a browser")
def test_a_form_of_measures_and_categories_asks_the_release(settings: Settings, released: Run, tmp_path: Path) -> None:
    in_chromium.install_runtime()
    latest = Releases(settings.folders(MODEL.name).releases).latest()
    assert latest
    page = tmp_path / "try.html"
    page.write_text(try_page(of_release(latest, declared(MODEL)), web_runtime()).html, encoding="utf-8")
    fields = {"length of the bill": "48.7", "depth of the bill": "14.1", "length of the flipper": "210"}
    fields |= {"body mass": "4450", "sex": "female", "island": "Biscoe"}
    asked = try_steps.in_chromium(str(page), {"fields": fields, "touch": True}, tmp_path)
    missing = try_steps.in_chromium(str(page), {"fields": fields | {"body mass": "", "sex": "missing"}}, tmp_path)
    assert asked["state"] == missing["state"] == "10 of 10 golden examples as on the build host"
    assert asked["answers"][0]["inputs"] == {name: values[2] for name, values in _PENGUINS.items()} | {
        name: pytest.approx(_PENGUINS[name][2]) for name in ("bill_length_mm", "bill_depth_mm")
    }
    assert asked["answers"][0]["verdict"] == missing["answers"][0]["verdict"] == "Gentoo"
    assert np.isnan(missing["answers"][0]["inputs"]["body_mass_g"][0])


def test_both_evaluations_agree_with_litert(released: Run) -> None:
    measurements = json.loads((folder(released, "EdgeValidator", "blessing") / "measurements.json").read_text())
    # A feature that TFMA cannot find is filled with -1, and it then finds another accuracy.
    assert measurements["tfma_accuracy"] == pytest.approx(measurements["accuracy"], abs=1e-6)
    assert measurements["keras_agreement"] == 1 and measurements["max_abs_difference"] < 1e-5


def test_the_committed_schema_admits_the_data_and_more(settings: Settings) -> None:
    span = curated_schema.latest_statistics(settings.folders(MODEL.name).data)
    schema, inferred = curated_schema.read(settings.schema_file(MODEL)), curated_schema.infer(span)
    assert list(curated_schema.anomalies(inferred, span)) == [] == list(curated_schema.anomalies(schema, span))
    admits_nan = {
        item.name for item in inferred.feature if item.HasField("float_domain") and not item.float_domain.disallow_nan
    }
    assert admits_nan == set(FEATURES) - {"island"}


def test_predict_answers_each_row_of_a_table_and_names_a_wrong_cell(
    settings: Settings, released: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict_command, "settings", lambda: settings)
    file = tmp_path / "rows.csv"
    file.write_text(
        "sex,body_mass_g,bill_length_mm,bill_depth_mm,flipper_length_mm,island,note\n"
        "male,3750,39.1,18.7,181,Torgersen,a\n,3500,46.5,17.9,192,Dream,b\nfemale,,48.7,14.1,210,Biscoe,c\n"
    )
    ask = ["predict", "--model", MODEL.name, "--json"]
    found = [json.loads(line) for line in run_command([*ask, str(file)]).stdout.splitlines()]
    assert [(item["row"], item["label"], item["release"]) for item in found] == [
        (2, "Adelie", 1),
        (3, "Chinstrap", 1),
        (4, "Gentoo", 1),
    ]
    assert all(sum(item["probabilities"].values()) == pytest.approx(1) for item in found)
    one = ["bill_length_mm=39.1", "bill_depth_mm=18.7", "flipper_length_mm=181", "body_mass_g=3750", "sex="]
    [said] = run_command([*ask, *one, "island=Torgersen"]).stdout.splitlines()
    assert json.loads(said)["label"] == "Adelie"
    file.write_text(file.read_text().replace("Dream", "Drem"))
    with pytest.raises(DataError, match=re.escape("Did you mean Dream?") + ".*row 3, column 'island'"):
        run_command([*ask, str(file)])


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
    assert page.count('<th class="text" scope="row">island</th>') == len(report.mistakes.shown)
    text = html.unescape(re.sub("<[^>]*>", " ", page.split("</style>", 1)[1]))
    assert "Penguins to look at" in text and "69 penguins" in text
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
    with pytest.raises(UsageError, match=r"or the id of a run of penguins_tflite\. Received: 'third'"):
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
