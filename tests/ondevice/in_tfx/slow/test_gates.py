"""Every gate: what passes, and an impossible value for each, one at a time. One model is trained for all of them."""

import html
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import Artifact, standard_artifacts

from models.mnist.model.features import IMAGE_KEY
from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings
from nightlite.errors import DataError
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import CandidateMeasurements
from nightlite.ondevice.in_tfx.artifact_types import DataGates
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.in_tfx.conversion import quantization
from nightlite.ondevice.in_tfx.evaluation.thresholds import THRESHOLDS, evaluation_gates
from nightlite.ondevice.in_tfx.golden_check import require_golden
from nightlite.ondevice.in_tfx.ingest.examples import Dataset
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.in_tfx.report import component
from nightlite.ondevice.releases.manifest import CARD_FILE
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report.run_report import Report
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.percent import figure
from nightlite.ondevice.results.run_summary import summarize
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.in_tfx.node import describe
from tests.models.mnist.made_digits import floats
from tests.names import RunParams
from tests.ondevice.in_tfx.gate_laboratory import (
    Laboratory,
    Run,
    edge_inputs,
    few_digits,
    file_of,
    new,
    new_laboratory,
    new_model,
    output,
    report_inputs,
)
from tests.ondevice.in_tfx.odd_files import odd_file
from tests.ondevice.releases.made_releases import DESCRIPTION, declared

HELD_TO_IT = ("Evaluator.mnist_lite", "EdgeValidator")
DATA_GATES = {"max_anomalies", "max_label_changes", "max_label_drift", "min_label_share"}
OF_THE_TASK = [threshold for threshold in THRESHOLDS if "classification" in threshold.tasks]
EVALUATION_GATES = {threshold.name for threshold in OF_THE_TASK}


def impossible() -> Iterator[tuple[str, float]]:
    """Yield every bound that a run can be told, with the value at the end of its range that nothing meets."""
    for name, schema in RunParams.model_json_schema()["properties"].items():
        if name.startswith("min_"):
            yield name, schema["maximum"]
        elif name.startswith("max_"):
            yield name, schema["minimum"]


IMPOSSIBLE = dict(impossible())


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    return new_laboratory(tmp_path_factory.mktemp("gates"), few_digits(500, 120))


@pytest.fixture(scope="module")
def first(laboratory: Laboratory) -> Run:
    """Return a first run: no release before it. On any processor its model is far from the next two's."""
    return laboratory.run("first", epochs=1)


@pytest.fixture(scope="module")
def worse(laboratory: Laboratory, first: Run) -> Run:
    """Return a second one whose model has hardly learned anything."""
    assert first["EdgeValidator"].blessed
    return laboratory.run("worse", epochs=1, learning_rate=0.0001)


@pytest.fixture(scope="module")
def better(laboratory: Laboratory, worse: Run) -> Run:
    """Return a third one, after a refused one, of the first one's data and for longer."""
    assert worse["EdgeValidator"].blessed is False
    return laboratory.run("better", epochs=6)


def model_id(run: Run) -> int:
    return output(run, "Trainer.mnist_lite", "model").id


def gates(run: Run) -> Gates:
    return Gates.read(Path(output(run, "EdgeValidator", "blessing").uri))


def test_a_first_model_passes_by_its_values_alone_and_is_pushed(first: Run) -> None:
    names = {gate.name for gate in gates(first).gates}
    assert gates(first).passed and first["Pusher.mnist_lite"].pushed
    assert first["Resolver.released"].outputs == {}
    assert not names & {"min_accuracy_change", "max_latency_ratio", "max_label_changes", "max_label_drift"}
    assert {"min_accuracy", "max_loss", "max_size_kib", "min_keras_agreement", "max_anomalies", "contract"} <= names


def test_a_worse_model_is_refused_for_that_alone_and_everything_says_so(first: Run, worse: Run) -> None:
    refused, by_chance = gates(worse).refused
    assert (refused.name, refused.node_id) == ("min_accuracy_change", "Evaluator.mnist_lite")
    assert (by_chance.name, by_chance.node_id) == ("min_p_if_worse", "EdgeValidator")
    assert worse["Resolver.released"].outputs["model"][0].id == model_id(first)
    assert worse["Pusher.mnist_lite"].state == "skipped"
    assert worse["Evaluator.mnist"].blessed and not worse["Evaluator.mnist_lite"].blessed
    assert "accuracy less the last release's: -" in describe(worse["EdgeValidator"])
    summary = summarize(worse)
    assert (summary.blessed, summary.pushed) == (False, None)
    assert summary.blessed_why == f"Evaluator.mnist_lite: {refused}; EdgeValidator: {by_chance}"


def test_a_better_one_is_held_to_the_last_blessed_one_and_pushed(first: Run, better: Run) -> None:
    assert better["Resolver.released"].outputs["model"][0].id == model_id(first)
    assert gates(better).passed and better["Pusher.mnist_lite"].pushed
    assert {"min_accuracy_change", "max_latency_ratio"} <= {gate.name for gate in gates(better).gates}


def test_on_the_same_data_it_is_pushed_because_it_is_detectably_better(laboratory: Laboratory, better: Run) -> None:
    """And the release's manifest says what the next one on this data is compared by."""
    release = Releases(laboratory.folders.releases).latest()
    assert release and release.manifest.measurements
    measurements = CandidateMeasurements.model_validate(release.manifest.measurements)
    assert (
        measurements.against_baseline
        and measurements.against_baseline.better
        and measurements.against_baseline.n == 120
    )
    assert measurements.against_anchor is None and (release.manifest.anchor, release.manifest.beat_anchor) == (1, True)
    first = CandidateMeasurements.model_validate(Releases(laboratory.folders.releases).release(1).manifest.measurements)
    assert measurements.data == first.data and measurements.data


def test_the_next_baseline_is_what_was_blessed_since(laboratory: Laboratory, better: Run) -> None:
    again = laboratory.run("again", epochs=6)
    assert again["Trainer.mnist_lite"].state == "cached"
    assert again["Resolver.released"].outputs["model"][0].id == model_id(better)
    [change] = [gate for gate in gates(again).gates if gate.name == "min_accuracy_change"]
    assert (change.value, change.passed) == (0, True)


def test_an_int8_model_is_small_and_as_good_and_has_seen_only_training_images(
    laboratory: Laboratory, first: Run, better: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    quantize = quantization.quantize
    monkeypatch.setattr(quantization, "quantize", lambda *args: (seen.append(args[2]), quantize(*args)))
    run = laboratory.run("int8", epochs=6, quantization="int8", max_latency_ratio=1e5)
    assert gates(run).passed, gates(run).refused
    measured = CandidateMeasurements.read(Path(output(run, "EdgeValidator", "blessing").uri))
    assert measured.baseline and measured.quantization == "int8"
    assert measured.size_bytes <= 0.3 * measured.baseline.size_bytes
    assert 0.5 < measured.peak_memory_mib / measured.baseline.peak_memory_mib < 2  # each in a process of its own
    assert abs(measured.keras_accuracy - measured.accuracy) <= 0.003
    assert measured.tfma_accuracy == pytest.approx(measured.accuracy, abs=0.003)
    assert [tensor.dtype for tensor in (*measured.contract.inputs, measured.contract.output)] == ["float32"] * 2
    digits = few_digits(500, 120)
    calibrated, train, evaluation = (
        {image.tobytes() for image in images}
        for images in (seen[0][IMAGE_KEY], floats(digits.train), floats(digits.eval))
    )
    assert len(calibrated) > 250 and calibrated <= train and not calibrated & evaluation


def test_the_float_file_agrees_with_keras_and_with_tfma(better: Run) -> None:
    measured = CandidateMeasurements.read(Path(output(better, "EdgeValidator", "blessing").uri))
    assert measured.keras_agreement >= 0.999
    assert measured.max_abs_difference is not None and measured.max_abs_difference < 1e-4
    assert measured.tfma_accuracy == pytest.approx(measured.accuracy, abs=1e-6)
    assert measured.size_bytes == facts_of(better["Trainer.mnist_lite"]).model_bytes
    assert 0 < measured.latency_ms.p50 <= measured.latency_ms.p95 <= measured.latency_ms.p99
    assert 0 < measured.peak_memory_mib < 64 and measured.load_ms > 0 and measured.threads == 1
    assert str(measured.contract).startswith("image_floats float32[1, 784] to ")
    assert (measured.compiled_model_examples, measured.fully_accelerated) == (120, True)
    assert measured.compiled_model_difference is not None and measured.compiled_model_difference <= 1e-5


def test_the_release_has_an_example_of_every_class_which_agrees_and_a_card(laboratory: Laboratory, better: Run) -> None:
    release = Releases(laboratory.folders.releases).release(2)
    release.verify()
    golden = release.golden()
    assert golden and [example.label for example in golden.examples] == list(MODEL.labels)
    assert require_golden(release).startswith("10 of 10 golden examples agree (largest difference 0, ")
    assert release.manifest.source == "a few digits"
    card = (release.folder / CARD_FILE).read_text(encoding="utf-8")
    assert f"# {MODEL.title}, release 2" in card and "Span 1, from a few digits. " in card
    assert "| CompiledModel fully accelerated, on the CPU | yes |" in card


def test_both_evaluations_have_every_metric(better: Run) -> None:
    import tensorflow_model_analysis as tfma

    for node_id in ("Evaluator.mnist", "Evaluator.mnist_lite"):
        keys = set()
        for by_slice in tfma.load_metrics(output(better, node_id, "evaluation").uri):
            for item in by_slice.metric_keys_and_values:
                if not by_slice.slice_key.single_slice_keys:
                    keys.add((item.key.name, item.key.sub_key.class_id.value if item.key.HasField("sub_key") else None))
        assert {(name, digit) for name in ("precision", "recall", "calibration") for digit in range(10)} <= keys
        assert ("expected_calibration_error", None) in keys
        assert ("multi_class_confusion_matrix_at_thresholds", None) in keys


def _is_pushed(laboratory: Laboratory, run: Run, blessing: Artifact, folder: Path) -> bool:
    """Return whether the pipeline's own Pusher ships the run's blessed model with this InfraBlessing."""
    # Where the run's own Pusher has been, the very same file would be nothing new.
    releases = Releases(folder / "releases")
    (folder / "before").write_text("what phones have")
    description = DESCRIPTION.model_copy(update={"span": 1, **declared(MODEL.app_contract)})
    before = releases.push(folder / "before", description, who="an earlier run").release
    shipped = laboratory.push(run, blessing, folder)
    assert (releases.versions(), releases.latest_version()) == (([1, 2], 2) if shipped else ([1], 1))
    assert releases.release(1) == before and before.model() == b"what phones have"
    return shipped


def _is_refused_on_its_page(
    laboratory: Laboratory, run: Run, gate: Gate, folder: Path, **inputs: Artifact
) -> Literal[True]:
    """Return whether the ModelReport's page and figures name this gate alone as refused."""
    made = new(component.Report, folder / "report")
    laboratory.execute("ModelReport", {**report_inputs(run), **inputs}, made, folder)
    report = Report.read(folder / "report")
    assert (report.blessed, report.refused) == (False, (gate,))
    page = html.unescape((folder / "report" / "report.html").read_text(encoding="utf-8"))
    rows = re.findall(r'<tr class="gate">.*?</tr>', page, re.DOTALL)
    [refused] = [row for row in rows if 'title="refused"' in row]
    assert len(rows) == len(report.gates) and f"Refused by 1 of {len(rows)} gates: {gate}" in page
    cells = [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", refused)]
    value = "not measured" if gate.value is None else figure(gate.value, gate.unit)
    bound = f"{'≥' if gate.relation == '>=' else '≤'} {figure(gate.bound, gate.unit)}"
    assert cells == ["✘", gate.subject, value, bound, gate.name, gate.node_id]
    return True


@pytest.mark.parametrize("name", sorted(set(IMPOSSIBLE) - DATA_GATES - EVALUATION_GATES))
def test_an_impossible_bound_of_edge_validator_blocks_the_push(
    laboratory: Laboratory, first: Run, better: Run, tmp_path: Path, name: str
) -> None:
    inputs = {**edge_inputs(better), "baseline_model": output(first, "Trainer.mnist_lite", "model")}
    parameters = {name: IMPOSSIBLE[name], "quantization": "int8" if "quantized" in name else "none"}
    judged, blessing = laboratory.judge(inputs, tmp_path, **parameters)
    [refused] = judged.refused
    assert refused.name == name and f"({name})" in str(refused)
    assert not _is_pushed(laboratory, better, blessing, tmp_path)
    assert _is_refused_on_its_page(laboratory, better, refused, tmp_path, infra_blessing=blessing)


@pytest.mark.parametrize(
    ("evaluator", "name"),
    [
        (evaluator, threshold.name)
        for evaluator in ("Evaluator.mnist", "Evaluator.mnist_lite")
        for threshold in OF_THE_TASK
        if threshold.kind != "change" or evaluator.endswith("lite")  # only that one has a baseline
    ],
)
def test_an_impossible_bound_of_an_evaluator_blocks_the_push(
    laboratory: Laboratory, first: Run, better: Run, tmp_path: Path, evaluator: str, name: str
) -> None:
    inputs = edge_inputs(better)
    key, model = ("lite_evaluation", "model") if evaluator.endswith("lite") else ("evaluation", "keras_model")
    evaluated = {"examples": inputs["examples"], "model": inputs[model]}
    if evaluator.endswith("lite"):
        evaluated["baseline_model"] = output(first, "Trainer.mnist_lite", "model")
    made = new(standard_artifacts.ModelEvaluation, tmp_path / "evaluation")
    inputs[key] = laboratory.execute(evaluator, evaluated, made, tmp_path, **{name: IMPOSSIBLE[name]})
    judged, blessing = laboratory.judge(inputs, tmp_path)
    [refused] = judged.refused
    assert (refused.node_id, refused.name) == (evaluator, name)
    assert not _is_pushed(laboratory, better, blessing, tmp_path)
    seen = {"infra_blessing": blessing, key: inputs[key]}
    assert _is_refused_on_its_page(laboratory, better, refused, tmp_path, **seen)


@pytest.mark.parametrize("name", sorted(DATA_GATES))
def test_an_impossible_bound_of_data_gate_ends_the_run(
    laboratory: Laboratory, first: Run, tmp_path: Path, name: str
) -> None:
    inputs = {
        "examples": output(first, "ImportExampleGen", "examples"),
        "statistics": output(first, "StatisticsGen", "statistics"),
        "schema": output(first, "SchemaGen", "schema"),
        "anomalies": output(first, "ExampleValidator", "anomalies"),
        "previous": output(first, "DataGate", "gates"),
    }
    made = new(DataGates, tmp_path / "gates")
    with pytest.raises(DataError, match=rf"nothing is trained on it: .*\({name}\)"):
        laboratory.execute("DataGate", inputs, made, tmp_path, **{name: IMPOSSIBLE[name]})
    assert list((tmp_path / "gates").iterdir()) == []


def test_with_bounds_that_can_be_met_the_same_inputs_are_pushed(
    laboratory: Laboratory, better: Run, tmp_path: Path
) -> None:
    judged, blessing = laboratory.judge(edge_inputs(better), tmp_path)
    assert judged.passed, judged.refused
    assert _is_pushed(laboratory, better, blessing, tmp_path)


def half_a_file(run: Run, _: Path) -> bytes:
    return file_of(run)[: len(file_of(run)) // 2]


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (half_a_file, "found LiteRT cannot load it or run it: "),
        (
            lambda _, folder: odd_file(folder / "odd", size=784, classes=10, dtype=tf.int8, name=IMAGE_KEY),
            "found image_floats int8[1, 784] to p float32[1, 10]: LiteRT cannot load it or run it: ",
        ),
        (
            lambda _, folder: odd_file(folder / "odd", size=784, classes=5, name=IMAGE_KEY),
            "found image_floats float32[1, 784] to p float32[1, 5]: answers of shape (120, 5) to 120 examples",
        ),
        (
            lambda _, folder: odd_file(folder / "odd", size=784, classes=10),
            "found pixels float32[1, 784] to p float32[1, 10]: LiteRT cannot load it or run it: expected inputs "
            "named pixels. Received: image_floats",
        ),
    ],
    ids=["half a file", "integers", "five classes", "another name"],
)
def test_a_file_that_cannot_be_measured_fails_every_gate_of_edge_validator_and_its_contract_says_why(
    laboratory: Laboratory, better: Run, tmp_path: Path, make: Callable[[Run, Path], bytes], found: str
) -> None:
    model = new_model(make(better, tmp_path), tmp_path)
    judged, blessing = laboratory.judge({**edge_inputs(better), "model": model}, tmp_path)
    contract, *others = judged.refused
    assert (contract.name, contract.value) == ("contract", 0) and found in contract.subject
    assert {gate.node_id for gate in judged.refused} == {"EdgeValidator"}
    assert {gate.value for gate in others} == {None} and "not measured" in str(others[0])
    assert blessing.get_int_custom_property("blessed") == 0
    assert not (tmp_path / "blessing" / "measurements.json").exists()
    assert not (tmp_path / "blessing" / "answers.json").exists()


def test_every_bound_has_a_gate_and_an_impossible_value(better: Run) -> None:
    names = {gate.name for gate in gates(better).gates}
    elsewhere = {
        "min_quantized_agreement",
        "max_label_changes",
        "max_label_drift",
    }  # another quantization, a second span
    assert names | elsewhere == set(IMPOSSIBLE) | {"contract", "compiled_model"}


def test_an_evaluations_gates_are_those_of_its_config(better: Run) -> None:
    found = evaluation_gates(output(better, "Evaluator.mnist", "evaluation").uri, "Evaluator.mnist")
    assert [gate.name for gate in found] == ["max_loss", "min_accuracy", "min_class_accuracy"]
    worst = found[-1]
    assert isinstance(worst, Gate) and worst.subject.startswith('accuracy of the worst class, "')
    assert json.loads(worst.model_dump_json())["bound"] == 0


def _baselines(laboratory: Laboratory, run: Run, node_id: str) -> list[int]:
    """Return ids of the artifacts that a node was given for its baseline, as MLMD has them."""
    with open_store(laboratory.settings.mlmd_url) as handle:
        events = handle.store.get_events_by_execution_ids([run[node_id].execution_id])
    return [event.artifact_id for event in events if event.path.steps[0].key == "baseline_model"]


# From here on the latest release is the first one.
def test_after_a_rollback_the_next_run_is_held_to_what_was_rolled_back_to(
    laboratory: Laboratory, first: Run, better: Run
) -> None:
    releases = Releases(laboratory.folders.releases)
    assert releases.latest_version() != 1
    releases.rollback(1, who="ann", why="the later ones mistake sevens")
    run = laboratory.run("after a rollback", epochs=6)
    assert run["Resolver.released"].outputs["model"][0].id == model_id(first)
    assert [_baselines(laboratory, run, node_id) for node_id in HELD_TO_IT] == [[model_id(first)]] * 2
    assert run["Pusher.mnist_lite"].state == "skipped"


def test_after_the_metadata_store_was_lost_the_next_run_is_held_to_the_last_release(
    laboratory: Laboratory, first: Run, tmp_path: Path
) -> None:
    before = laboratory.settings
    fresh = Laboratory(Settings(var_dir=tmp_path), compile_model(MODEL, Settings(var_dir=tmp_path)))
    for kept in ("releases", "data"):
        shutil.copytree(getattr(laboratory.folders, kept), getattr(fresh.folders, kept), symlinks=True)
    release = Releases(before.folders(MODEL.name).releases).latest()
    assert release
    run = fresh.run("the first in this store", epochs=1, learning_rate=0.0001)
    [baseline] = run["Resolver.released"].outputs["model"]
    assert Path(baseline.uri, "Format-Serving", "tflite").read_bytes() == release.model()
    assert [_baselines(fresh, run, node_id) for node_id in HELD_TO_IT] == [[baseline.id]] * 2
    assert [gate.name for gate in gates(run).refused] == ["min_accuracy_change", "min_p_if_worse"]
    assert Releases(fresh.folders.releases).latest_version() == release.version


# The last test: from here on the laboratory's latest span is a bad one.
def test_a_span_whose_labels_drifted_ends_the_run_before_training(laboratory: Laboratory, better: Run) -> None:
    digits = few_digits(500, 120)
    train = digits.train.take(np.flatnonzero(digits.train.labels <= 1))
    write_span(MODEL, Dataset("zeros and ones", train, digits.eval), laboratory.folders.data)
    models = laboratory.folders.artifacts / "Trainer.mnist" / "model"
    before = sorted(models.iterdir())
    with pytest.raises(DataError, match=r"since span 1: 0\.[34]\d*, expected <= 0\.1 \(max_label_drift\)"):
        laboratory.run("drifted", epochs=6)
    assert sorted(models.iterdir()) == before
