"""Models unlike the examples: two classes with one probability, a regression, and coloured pictures, not square."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nightlite.deployment.settings import Settings
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import CandidateMeasurements
from nightlite.ondevice.in_tfx.compare.comparing import compared
from nightlite.ondevice.in_tfx.compare.lookup import candidate
from nightlite.ondevice.in_tfx.compare.page import render
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.in_tfx.golden_check import require_golden
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.releases.manifest import CARD_FILE
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report.file_comparison import FileComparison
from nightlite.ondevice.report.run_report import Report
from nightlite.ondevice.results.headline import headline
from nightlite.ondevice.run_parameters import run_params
from nightlite.ondevice.try_it.declared import declared
from nightlite.ondevice.try_it.page import try_page
from nightlite.ondevice.try_it.runtime import web_runtime
from nightlite.ondevice.try_it.subjects import of_release
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx.beam import memo
from nightlite.runner.in_tfx.run_local import run_local
from tests.browser import needs
from tests.ondevice.in_tfx.gate_laboratory import Run
from tests.small_models.flags import HEIGHT, WIDTH
from web import in_chromium, try_steps

_ANY_SPEED = {"max_load_ms": 1e5, "max_latency_ms": 1e5, "max_latency_ratio": 1e5}
# Each model's bound that its second run does not meet.
_REFUSED = {"tumour": "min_class_accuracy", "glucose": "max_p95_error", "flags": "max_size_kib"}
# Each model's answer in words.
_IN_THE_CARD = {
    "tumour": "has the probability of benign. It is the answer above 0.5; else malignant is.",
    "glucose": "has the answer in points.",
    "flags": "has a probability for each label, in this order: upright, level, none.",
}


@dataclass
class Deployed:
    """A model, its settings, and the run that released it."""

    model: OnDeviceModel
    settings: Settings
    compiled: CompiledPipeline
    first: Run

    def run(self, run_id: str, **parameters: Any) -> Run:
        return run_local(self.compiled, run_id, self.settings.mlmd_url, {**_ANY_SPEED, **parameters})

    @property
    def release(self) -> Release:
        latest = Releases(self.settings.folders(self.model.name).releases).latest()
        assert latest
        return latest


def deployed(name: str, folder: Path) -> Deployed:
    memo.install()
    module, settings = import_module(f"tests.small_models.{name}"), Settings(var_dir=folder)
    module.ingest("here", settings.folders(name).data)
    found = Deployed(module.MODEL, settings, compile_model(module.MODEL, settings), {})
    found.first = found.run("first")
    return found


@pytest.fixture(scope="module")
def tumour(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return deployed("tumour", tmp_path_factory.mktemp("tumour"))


@pytest.fixture(scope="module")
def glucose(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return deployed("glucose", tmp_path_factory.mktemp("glucose"))


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return deployed("flags", tmp_path_factory.mktemp("flags"))


@pytest.fixture(params=["tumour", "glucose", "flags"])
def each(request: pytest.FixtureRequest) -> Deployed:
    found: Deployed = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def worse(glucose: Deployed) -> Run:
    return glucose.run("second", epochs=1, max_p95_error=80)


def folder(run: Run, node_id: str, key: str) -> Path:
    [found] = run[node_id].outputs[key]
    return Path(found.uri)


def gates(run: Run) -> Mapping[str, Gate]:
    return {gate.name: gate for gate in Gates.read(folder(run, "EdgeValidator", "blessing")).gates}


def page(run: Run) -> str:
    text = (folder(run, "OutcomeReport", "outcome_report") / "report.html").read_text(encoding="utf-8")
    return html.unescape(re.sub("<[^>]*>", " ", text.split("</style>", 1)[1]))


def test_it_is_released_by_the_gates_of_its_task_and_proves_itself(each: Deployed) -> None:
    found = gates(each.first)
    assert [str(gate) for gate in found.values() if not gate.passed] == []
    others = {"classification": "max_mean_error", "regression": "min_accuracy"}[each.model.task.kind]
    assert set(each.model.gate_bounds) <= {*found, "max_mean_error_change"} and others not in found
    release = each.release
    release.verify()
    assert require_golden(release).startswith("10 of 10 golden examples agree (largest difference 0, ")
    assert release.manifest.app_contract == each.model.app_contract
    assert release.manifest.quality.figure and release.manifest.quality.text in headline(each.first)
    card = (release.folder / CARD_FILE).read_text(encoding="utf-8")
    assert _IN_THE_CARD[each.model.name] in card


def test_two_classes_with_one_probability_are_judged_like_several(tumour: Deployed) -> None:
    measured = CandidateMeasurements.model_validate(tumour.release.manifest.measurements)
    assert measured.accuracy == measured.tfma_accuracy == tumour.release.manifest.quality.accuracy
    assert re.search(r', "(malignant|benign)" \(\d+ examples\)$', gates(tumour.first)["min_class_accuracy"].subject)
    report = Report.read(folder(tumour.first, "OutcomeReport", "outcome_report"))
    lite = report.model("tflite")
    assert lite and np.array(lite.confusion).shape == (2, 2) and np.sum(lite.confusion) == 114
    assert lite.loss == pytest.approx(gates(tumour.first)["max_loss"].value, rel=1e-3)


def test_a_regression_has_errors_in_the_unit_of_its_label(glucose: Deployed) -> None:
    manifest, found = glucose.release.manifest, gates(glucose.first)
    assert (manifest.labels, manifest.unit) == ((), "points")
    measured = CandidateMeasurements.model_validate(manifest.measurements)
    assert measured.mean_error and measured.p95_error and measured.accuracy is None
    assert measured.mean_error == pytest.approx(manifest.metrics["mean_absolute_error"]) == measured.tfma_mean_error
    assert found["max_p95_error"].value == measured.p95_error > measured.mean_error
    assert {found[name].unit for name in glucose.model.gate_bounds if name in found} == {"points"}
    golden = glucose.release.golden()
    assert golden
    labels = [example.label for example in golden.examples]
    assert labels == sorted(labels) and labels[0] < 60 < 250 < labels[-1]


def test_a_regression_that_is_worse_is_compared_by_its_errors_and_refused(glucose: Deployed, worse: Run) -> None:
    found = gates(worse)
    assert not found["max_p95_error"].passed and glucose.release.version == 1
    change = found["max_mean_error_change"]
    assert change.value == pytest.approx(found["max_mean_error"].value - glucose.release.manifest.quality.mean_error)
    [won, lost] = map(int, re.findall(r"(\d+) won, (\d+) lost of 89", found["min_p_if_worse"].subject)[0])
    assert 0 < won + lost <= 89
    text = page(worse)
    for words in ("Predicted against true", "Errors", "mean absolute error", "The largest errors of the TFLite file"):
        assert words in text
    assert not re.search(r"\b(confusion|accuracy|classes|probability|probabilities)\b", text, re.IGNORECASE)


def compared_with(run_id: str, found: Deployed) -> FileComparison:
    """Compare release 1 with the file of a run."""
    with (
        candidate("1", found.model, found.settings) as first,
        candidate(run_id, found.model, found.settings) as second,
    ):
        return compared(first, second, found.model, found.settings)


def test_its_release_and_the_run_that_made_it_are_one_file_on_the_same_examples(each: Deployed) -> None:
    found = compared_with("first", each)
    assert (found.newer, found.verdict, found.note) == ("A", "A and B are the very same file", "")
    assert {item.a == item.b for item in found.figures if item.unit not in ("ms", "MiB")} == {True}
    assert bool(found.classes) is bool(each.model.labels)
    assert render(found).count('class="example"') == len(found.shown) == (0 if each.model.labels else 24)


def test_a_worse_regression_is_compared_with_its_release_by_errors(glucose: Deployed, worse: Run) -> None:
    found = compared_with("second", glucose)
    [won, lost] = map(int, re.findall(r"(\d+) won, (\d+) lost of 89", gates(worse)["min_p_if_worse"].subject)[0])
    assert (found.paired.won, found.paired.lost, found.paired.n) == (won, lost, 89)
    errors = {item.name: item for item in found.figures}["mean error"]
    assert errors.unit == "points" and errors.b == pytest.approx(gates(worse)["max_mean_error"].value)
    text = html.unescape(re.sub("<[^>]*>", " ", render(found).split("</style>", 1)[1]))
    assert "mean error" in text and "The 24 of 89 with the largest differences" in text
    assert not re.search(r"\b(accuracy|classes|probability)\b", text, re.IGNORECASE)


def test_coloured_pictures_are_drawn_as_they_are(flags: Deployed) -> None:
    report = Report.read(folder(flags.first, "OutcomeReport", "outcome_report"))
    assert report.card.show and (report.card.show.width, report.card.show.height) == (24, 16)
    assert flags.release.manifest.inputs[0].shape == (1, 16, 24, 3)


@pytest.mark.parametrize("name", ["tumour", "flags"])
def test_a_bound_that_nothing_meets_refuses_it(name: str, request: pytest.FixtureRequest) -> None:
    model: Deployed = request.getfixturevalue(name)
    bound = run_params(model.model).model_json_schema()["properties"][_REFUSED[name]]
    unmet = bound["minimum"] if _REFUSED[name].startswith("max_") else bound["maximum"]
    second = model.run("second", **{_REFUSED[name]: unmet})
    assert {gate.name for gate in gates(second).values() if not gate.passed} == {_REFUSED[name]}
    assert second[model.model.pusher].state == "skipped" and model.release.version == 1


@needs(in_chromium.missing(), "a release in a browser")
@pytest.mark.parametrize("name", ["glucose", "flags"])
def test_its_release_answers_in_a_browser_as_on_the_build_host(name: str, request: pytest.FixtureRequest) -> None:
    found = in_chromium.golden(request.getfixturevalue(name).release.folder)
    assert (found["agreeing"], found["examples"]) == (10, 10)


def tried(found: Deployed, steps: try_steps.Steps, folder: Path) -> dict[str, Any]:
    """Return what a person sees on the page of the release."""
    in_chromium.install_runtime()
    page = folder / "try.html"
    page.write_text(try_page(of_release(found.release, declared(found.model)), web_runtime()).html, encoding="utf-8")
    seen = try_steps.in_chromium(str(page), steps, folder)
    assert seen["state"] == "10 of 10 golden examples as on the build host"
    return seen


@needs(in_chromium.missing(), "a release in a browser")
def test_a_regressions_page_answers_in_its_unit_and_a_changed_field_changes_it(
    glucose: Deployed, tmp_path: Path
) -> None:
    seen = tried(glucose, {"fields": {"measures 3 of 10": "0.2"}, "golden": 1}, tmp_path)
    [changed, example] = seen["answers"]
    golden = glucose.release.golden()
    assert golden and example["inputs"]["measures"] == pytest.approx(golden.examples[0].inputs["measures"])
    [expected] = golden.examples[0].outputs["progression"]
    assert example["output"] == pytest.approx([expected], abs=1e-3) and example["verdict"].endswith(" points")
    assert changed["output"] != example["output"] and changed["inputs"]["measures"][2] == pytest.approx(0.2)


@needs(in_chromium.missing(), "a release in a browser")
def test_a_coloured_picture_is_opened_and_scaled(flags: Deployed, tmp_path: Path) -> None:
    stripes = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stripes[:, :8], stripes[:, 8:16], stripes[:, 16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    file = tmp_path / "flag.png"
    Image.fromarray(stripes).resize((WIDTH * 10, HEIGHT * 10), Image.Resampling.NEAREST).save(file)
    [answer] = tried(flags, {"pictures": [str(file)]}, tmp_path)["answers"]
    assert answer["verdict"] == "upright"
    found = np.array(answer["inputs"]["picture"]).reshape(HEIGHT, WIDTH, 3)
    # Apart from the edges, which a browser smooths.
    assert found[:, [2, 12, 21]] == pytest.approx(stripes[:, [2, 12, 21]] / 255, abs=0.01)
