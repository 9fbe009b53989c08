"""Every gate: what passes, and an impossible value for each, one at a time. One model is trained for all of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tfx.types import Artifact, standard_artifacts

from pipeline_lib.edge import EdgeMeasurements
from pipeline_lib.errors import DataError
from pipeline_lib.gates import Gate, Gates
from pipeline_lib.mnist.dataset import Dataset, Split
from pipeline_lib.mnist.sources import load_digits
from pipeline_lib.mnist.spans import write_span
from pipeline_lib.releases.store import Releases
from pipeline_lib.run_params import RunParams
from pipeline_lib.run_summary import summarize
from pipeline_lib.settings import Settings
from pipeline_lib.tfx.compile import mnist_tflite
from pipeline_lib.tfx.data_gate import DataGates
from pipeline_lib.tfx.evaluation_gates import THRESHOLDS, evaluation_gates
from pipeline_lib.tfx.node import describe
from tests.tfx.gate_laboratory import Laboratory, Run, edge_inputs, new, output

DATA_GATES = {"max_anomalies", "max_label_drift", "min_label_share"}
EVALUATION_GATES = {threshold.parameter for threshold in THRESHOLDS}


def impossible() -> Iterator[tuple[str, float]]:
    """Every bound that a run can be told, with the value at the end of its range that nothing meets."""
    for name, schema in RunParams.model_json_schema()["properties"].items():
        if name.startswith("min_"):
            yield name, schema["maximum"]
        elif name.startswith("max_"):
            yield name, schema["minimum"]


IMPOSSIBLE = dict(impossible())


def few_digits(train: int, evaluation: int) -> Dataset:
    digits = load_digits()
    return Dataset(
        "a few digits",
        Split(digits.train.images[:train], digits.train.labels[:train]),
        Split(digits.eval.images[:evaluation], digits.eval.labels[:evaluation]),
    )


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    settings = Settings(var_dir=tmp_path_factory.mktemp("gates"))
    write_span(few_digits(500, 120), settings.data_dir)
    return Laboratory(settings, mnist_tflite(settings))


@pytest.fixture(scope="module")
def first(laboratory: Laboratory) -> Run:
    """A first run: no release before it. On any processor its model is far from the next two's."""
    return laboratory.run("first", epochs=1)


@pytest.fixture(scope="module")
def worse(laboratory: Laboratory, first: Run) -> Run:
    """A second one whose model has hardly learned anything."""
    assert first["EdgeValidator"].blessed
    return laboratory.run("worse", epochs=1, learning_rate=0.0001)


@pytest.fixture(scope="module")
def better(laboratory: Laboratory, worse: Run) -> Run:
    """A third one, after a refused one, of the first one's data and for longer."""
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
    assert not names & {"min_accuracy_change", "max_latency_ratio", "max_label_drift"}
    assert {"min_accuracy", "max_loss", "max_size_kib", "min_keras_agreement", "max_anomalies", "contract"} <= names


def test_a_worse_model_is_refused_for_that_alone_and_everything_says_so(first: Run, worse: Run) -> None:
    [refused] = gates(worse).refused
    assert (refused.name, refused.node_id) == ("min_accuracy_change", "Evaluator.mnist_lite")
    assert worse["Resolver.released"].outputs["model"][0].id == model_id(first)
    assert worse["Pusher.mnist_lite"].state == "skipped"
    assert worse["Evaluator.mnist"].blessed and not worse["Evaluator.mnist_lite"].blessed
    assert "accuracy less the last release's: -" in describe(worse["EdgeValidator"])
    summary = summarize(worse)
    assert (summary.blessed, summary.pushed) == (False, None)
    assert summary.blessed_why == f"Evaluator.mnist_lite: {refused}"


def test_a_better_one_is_held_to_the_last_blessed_one_and_pushed(first: Run, better: Run) -> None:
    assert better["Resolver.released"].outputs["model"][0].id == model_id(first)
    assert gates(better).passed and better["Pusher.mnist_lite"].pushed
    assert {"min_accuracy_change", "max_latency_ratio"} <= {gate.name for gate in gates(better).gates}


def test_the_next_baseline_is_what_was_blessed_since(laboratory: Laboratory, better: Run) -> None:
    again = laboratory.run("again", epochs=6)
    assert again["Trainer.mnist_lite"].state == "cached"
    assert again["Resolver.released"].outputs["model"][0].id == model_id(better)
    [change] = [gate for gate in gates(again).gates if gate.name == "min_accuracy_change"]
    assert (change.value, change.passed) == (0, True)


def test_an_int8_model_is_small_and_as_good(laboratory: Laboratory, first: Run, better: Run) -> None:
    run = laboratory.run("int8", epochs=6, quantization="int8", max_latency_ratio=1e5)
    assert gates(run).passed, gates(run).refused
    measured = EdgeMeasurements.read(Path(output(run, "EdgeValidator", "blessing").uri))
    assert measured.baseline and measured.quantization == "int8"
    assert measured.size_bytes <= 0.3 * measured.baseline.size_bytes
    assert 0.5 < measured.peak_memory_mib / measured.baseline.peak_memory_mib < 2  # each in a process of its own
    assert abs(measured.keras_accuracy - measured.accuracy) <= 0.003
    assert measured.tfma_accuracy == pytest.approx(measured.accuracy, abs=0.003)
    assert (measured.input.dtype, measured.output.dtype) == ("float32", "float32")


def test_the_float_file_agrees_with_keras_and_with_tfma(better: Run) -> None:
    measured = EdgeMeasurements.read(Path(output(better, "EdgeValidator", "blessing").uri))
    assert measured.keras_agreement >= 0.999
    assert measured.max_abs_difference is not None and measured.max_abs_difference < 1e-4
    assert measured.tfma_accuracy == pytest.approx(measured.accuracy, abs=1e-6)
    assert measured.size_bytes == better["Trainer.mnist_lite"].model_bytes
    assert 0 < measured.latency_ms.p50 <= measured.latency_ms.p95 <= measured.latency_ms.p99
    assert 0 < measured.peak_memory_mib < 64 and measured.load_ms > 0 and measured.threads == 1
    assert str(measured.input) == "image_floats float32[-1, 784]"


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


def _judged(
    laboratory: Laboratory, inputs: dict[str, Artifact], folder: Path, **parameters: object
) -> tuple[Gates, Artifact]:
    blessing = laboratory.execute(
        "EdgeValidator", inputs, new(standard_artifacts.InfraBlessing, folder / "blessing"), folder, **parameters
    )
    return Gates.read(folder / "blessing"), blessing


def _is_pushed(laboratory: Laboratory, run: Run, blessing: Artifact, folder: Path) -> bool:
    """Whether the pipeline's own Pusher ships the run's model, blessed by its Evaluator, with this InfraBlessing."""
    inputs = {
        "model": output(run, "Trainer.mnist_lite", "model"),
        "model_blessing": output(run, "Evaluator.mnist_lite", "blessing"),
        "infra_blessing": blessing,
    }
    # Where the run's own Pusher has been, the very same file would be nothing new.
    releases = Releases(folder / "releases")
    known = {
        "push_destination": json.dumps({"filesystem": {"base_directory": str(releases.folder)}}),
        "evaluation_uri": output(run, "Evaluator.mnist_lite", "evaluation").uri,
        "span": 1,
    }
    pushed = laboratory.execute(
        "Pusher.mnist_lite", inputs, new(standard_artifacts.PushedModel, folder / "pushed"), folder, known
    )
    shipped = bool(pushed.get_int_custom_property("pushed"))
    assert releases.versions() == ([1] if shipped else [])
    return shipped


@pytest.mark.parametrize("name", sorted(set(IMPOSSIBLE) - DATA_GATES - EVALUATION_GATES))
def test_an_impossible_bound_of_edge_validator_blocks_the_push(
    laboratory: Laboratory, first: Run, better: Run, tmp_path: Path, name: str
) -> None:
    inputs = {**edge_inputs(better), "baseline_model": output(first, "Trainer.mnist_lite", "model")}
    parameters = {name: IMPOSSIBLE[name], "quantization": "int8" if "quantized" in name else "none"}
    judged, blessing = _judged(laboratory, inputs, tmp_path, **parameters)
    assert [gate.name for gate in judged.refused] == [name]
    assert f"({name})" in str(judged.refused[0])
    assert not _is_pushed(laboratory, better, blessing, tmp_path)


@pytest.mark.parametrize(
    ("evaluator", "name"),
    [("Evaluator.mnist", "min_accuracy"), *(("Evaluator.mnist_lite", name) for name in sorted(EVALUATION_GATES))],
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
    judged, blessing = _judged(laboratory, inputs, tmp_path)
    assert [(gate.node_id, gate.name) for gate in judged.refused] == [(evaluator, name)]
    assert not _is_pushed(laboratory, better, blessing, tmp_path)


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
    judged, blessing = _judged(laboratory, edge_inputs(better), tmp_path)
    assert judged.passed, judged.refused
    assert _is_pushed(laboratory, better, blessing, tmp_path)


def test_a_file_that_litert_cannot_load_fails_every_gate_of_edge_validator(
    laboratory: Laboratory, better: Run, tmp_path: Path
) -> None:
    model = new(standard_artifacts.Model, tmp_path / "model")
    file = tmp_path / "model" / "Format-Serving" / "tflite"
    file.parent.mkdir()
    good = Path(output(better, "Trainer.mnist_lite", "model").uri, "Format-Serving", "tflite").read_bytes()
    file.write_bytes(good[: len(good) // 2])
    model.id = 1
    judged, _ = _judged(laboratory, {**edge_inputs(better), "model": model}, tmp_path)
    assert {gate.node_id for gate in judged.refused} == {"EdgeValidator"}
    assert {gate.value for gate in judged.refused} == {None}
    assert not (tmp_path / "blessing" / "edge.json").exists()
    assert "not measured" in str(judged.refused[0])


def test_every_bound_has_a_gate_and_an_impossible_value(better: Run) -> None:
    names = {gate.name for gate in gates(better).gates}
    elsewhere = {"min_quantized_agreement", "max_label_drift"}  # another quantization, a second span
    assert names | elsewhere == set(IMPOSSIBLE) | {"contract"}


def test_an_evaluations_gates_are_those_of_its_config(better: Run) -> None:
    found = evaluation_gates(output(better, "Evaluator.mnist", "evaluation").uri, "Evaluator.mnist")
    assert [gate.name for gate in found] == ["max_loss", "min_accuracy", "min_class_accuracy"]
    worst = found[-1]
    assert isinstance(worst, Gate) and worst.subject.startswith("accuracy of the worst digit, ")
    assert json.loads(worst.model_dump_json())["bound"] == 0


# The last test: from here on the laboratory's latest span is a bad one.
def test_a_span_whose_labels_drifted_ends_the_run_before_training(laboratory: Laboratory, better: Run) -> None:
    digits = few_digits(500, 120)
    ones = digits.train.labels <= 1
    train = Split(digits.train.images[ones], digits.train.labels[ones])
    write_span(Dataset("zeros and ones", train, digits.eval), laboratory.settings.data_dir)
    models = laboratory.settings.pipeline_root / "Trainer.mnist" / "model"
    before = sorted(models.iterdir())
    with pytest.raises(DataError, match=r"since span 1: 0\.[34]\d*, expected <= 0\.1 \(max_label_drift\)"):
        laboratory.run("drifted", epochs=6)
    assert sorted(models.iterdir()) == before
