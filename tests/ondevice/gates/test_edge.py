"""EdgeValidator's gates on figures made up for each."""

import pytest

from nightlite.ondevice.contract.app_contract import AppContract, Input
from nightlite.ondevice.contract.file_contract import FileContract, TensorContract
from nightlite.ondevice.gates.edge import bounds_of, edge_gates
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.measurements import CandidateMeasurements, CompiledModelRun, Percentiles
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.quantization import TOLERANCES
from tests.names import RunParams

IMAGE = TensorContract(name="image_floats", dtype="float32", shape=(1, 784))
PROBABILITIES = TensorContract(name="probabilities", dtype="float32", shape=(1, 10))
CONTRACT = FileContract(inputs=(IMAGE,), output=PROBABILITIES)
EXPECTED = AppContract(inputs=(Input(**dict(IMAGE)),), output=PROBABILITIES, labels=tuple("0123456789"))
RENAMED = CONTRACT.model_copy(update={"inputs": (IMAGE.model_copy(update={"name": "pixels"}),)})
INTEGERS = CONTRACT.model_copy(update={"output": PROBABILITIES.model_copy(update={"dtype": "int8"})})
UNNAMED = CONTRACT.model_copy(update={"output": PROBABILITIES.model_copy(update={"name": "output_0"})})
MEASURED = CandidateMeasurements(
    size_bytes=2048,
    load_ms=1,
    latency_ms=Percentiles(p50=0.1, p90=0.2, p95=0.3, p99=0.4),
    threads=1,
    peak_memory_mib=3,
    contract=CONTRACT,
    litert_version="2.3.0",
    keras_agreement=1,
    max_abs_difference=1e-6,
    mean_abs_difference=1e-9,
    accuracy=0.98,
    keras_accuracy=0.98,
    tfma_accuracy=0.98,
    quantization="none",
    compiled_model_examples=1000,
    compiled_model_difference=1e-7,
    fully_accelerated=True,
)
DEFAULTS = {name: getattr(RunParams(), name) for name in bounds_of(EXPECTED.task)}


def refused(measured: CandidateMeasurements | None, quantization: str = "none") -> list[str]:
    gates = edge_gates(measured, DEFAULTS, EXPECTED, quantization, "EdgeValidator")
    return [gate.name for gate in gates if not gate.passed]


def with_baseline(p50: float) -> CandidateMeasurements:
    slower = MEASURED.model_copy(update={"latency_ms": Percentiles(p50=p50, p90=9, p95=9, p99=9)})
    return MEASURED.model_copy(update={"baseline": slower})


def test_good_figures_pass_every_gate() -> None:
    assert refused(MEASURED) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"size_bytes": 400_000}, "max_size_kib"),
        ({"load_ms": 201}, "max_load_ms"),
        ({"latency_ms": Percentiles(p50=1, p90=9, p95=21, p99=30)}, "max_latency_ms"),
        ({"peak_memory_mib": 65}, "max_memory_mib"),
        ({"keras_agreement": 0.998}, "min_keras_agreement"),
        ({"max_abs_difference": 0.7}, "max_output_difference"),
        ({"max_abs_difference": None}, "max_output_difference"),
        ({"mean_abs_difference": 0.006}, "max_mean_output_difference"),
        ({"keras_accuracy": 0.984}, "max_keras_accuracy_drop"),
        ({"tfma_accuracy": 0.086}, "max_tfma_difference"),
        ({"tfma_accuracy": None}, "max_tfma_difference"),
        ({"compiled_model_difference": 2e-5}, "compiled_model"),
        ({"compiled_model_difference": None}, "compiled_model"),
        ({"contract": RENAMED}, "contract"),
        ({"contract": INTEGERS}, "contract"),
        ({"contract": UNNAMED}, "contract"),
        ({"contract": FileContract(inputs=(IMAGE, PROBABILITIES), output=PROBABILITIES)}, "contract"),
    ],
)
def test_each_figure_has_a_gate_of_its_own(change: dict[str, object], name: str) -> None:
    assert refused(MEASURED.model_copy(update=change)) == [name]


def test_latency_is_held_to_the_last_releases() -> None:
    assert refused(with_baseline(0.1)) == []
    assert refused(with_baseline(0.06)) == ["max_latency_ratio"]
    assert "max_latency_ratio" not in {gate.name for gate in edge_gates(MEASURED, DEFAULTS, EXPECTED, "none", "E")}


def test_losses_to_the_last_release_and_to_the_anchor_have_gates_of_their_own() -> None:
    lost = Comparison(sha256="a", won=3, lost=14, n=1000, p=0.0127)
    assert refused(MEASURED.model_copy(update={"against_baseline": lost})) == ["min_p_if_worse"]
    assert refused(MEASURED.model_copy(update={"against_anchor": lost})) == ["min_p_if_worse", "min_accuracy_change"]
    found = {"against_baseline": lost.model_copy(update={"won": 14, "lost": 3})}
    gate = edge_gates(MEASURED.model_copy(update=found), DEFAULTS, EXPECTED, "none", "E")[-1]
    assert str(gate) == (
        "p of its losses to the last release (14 won, 3 lost of 1,000): 1, expected >= 0.05 (min_p_if_worse)"
    )


def test_a_quantized_file_may_disagree_more_often() -> None:
    measured = MEASURED.model_copy(update={"keras_agreement": 0.995})
    assert refused(measured) == refused(measured, "float16") == ["min_keras_agreement"]
    assert refused(measured, "int8") == refused(measured, "dynamic") == []
    assert refused(MEASURED.model_copy(update={"keras_agreement": 0.98}), "int8") == ["min_quantized_agreement"]


def compiled_model(measured: CandidateMeasurements, quantization: str = "none") -> Gate:
    gates = edge_gates(measured, DEFAULTS, EXPECTED, quantization, "EdgeValidator")
    [gate] = [gate for gate in gates if gate.name == "compiled_model"]
    return gate


def test_compiled_model_agrees_within_the_tolerance_of_the_quantization() -> None:
    for quantization, tolerance in TOLERANCES.items():
        for difference, passed in ((tolerance, True), (tolerance * 1.01, False)):
            gate = compiled_model(MEASURED.model_copy(update={"compiled_model_difference": difference}), quantization)
            assert (gate.bound, gate.passed) == (tolerance, passed)
    assert str(compiled_model(MEASURED)) == (
        "largest difference of CompiledModel's answers from the Interpreter's, 1,000 examples one at a time: 1e-07, "
        "expected <= 1e-05 (compiled_model)"
    )


def test_what_kept_compiled_model_from_running_is_said_and_full_acceleration_is_no_bound() -> None:
    crashed = CompiledModelRun(compiled_model_problem="LiteRT's process was ended by signal 11")
    gate = compiled_model(MEASURED.model_copy(update=dict(crashed)))
    assert (gate.passed, gate.value) == (False, None)
    assert "; found LiteRT's process was ended by signal 11: not measured, expected <= 1e-05" in str(gate)
    assert refused(MEASURED.model_copy(update={"fully_accelerated": False})) == []


def test_a_file_that_could_not_be_measured_passes_nothing() -> None:
    gates = edge_gates(None, DEFAULTS, EXPECTED, "none", "EdgeValidator")
    assert gates and not any(gate.passed or gate.value is not None for gate in gates)


def test_a_broken_contract_names_what_was_found() -> None:
    measured = MEASURED.model_copy(update={"contract": RENAMED})
    [gate] = [item for item in edge_gates(measured, DEFAULTS, EXPECTED, "none", "E") if not item.passed]
    assert isinstance(gate, Gate) and "found pixels float32[1, 784] to probabilities float32[1, 10]" in str(gate)


def test_what_could_not_be_measured_is_said_by_the_contracts_gate() -> None:
    contract, *others = edge_gates(None, DEFAULTS, EXPECTED, "none", "E", "pixels int8[1, 784] to p")
    assert (contract.name, contract.value, contract.passed) == ("contract", 0, False)
    assert "kept; found pixels int8[1, 784] to p: 0, expected >= 1 (contract)" in str(contract)
    assert {gate.value for gate in others} == {None}


NUMBER = AppContract(
    inputs=EXPECTED.inputs, output=PROBABILITIES.model_copy(update={"shape": (1, 1)}), labels=(), unit="mg/dl"
)
OF_NUMBERS = CandidateMeasurements(
    **{
        **dict(MEASURED),
        **dict.fromkeys(("accuracy", "keras_accuracy", "tfma_accuracy", "keras_agreement")),
        **{"mean_error": 40.0, "tfma_mean_error": 40.0, "p95_error": 90.0, "contract": NUMBER.file},
        **{"tolerance": 0.003, "compiled_model_difference": 0.002},
    }
)
BOUNDS = DEFAULTS | {
    **{"max_mean_error_change": 1.0, "max_p95_error": 100.0},
    **{"max_output_difference": 0.5, "max_mean_output_difference": 0.1},
}


def gates_of_numbers(**change: object) -> list[Gate]:
    return list(edge_gates(OF_NUMBERS.model_copy(update=change), BOUNDS, NUMBER, "none", "EdgeValidator"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"p95_error": 101.0}, "95th percentile of the absolute error: 101 mg/dl, expected <= 100 mg/dl"),
        ({"p95_error": None}, "95th percentile of the absolute error: not measured, expected <= 100 mg/dl"),
        ({"max_abs_difference": 0.6}, "largest difference of an output from Keras's: 0.6 mg/dl, expected <= 0.5 mg/dl"),
        ({"mean_abs_difference": 0.2}, "mean difference of the outputs from Keras's: 0.2 mg/dl, expected <= 0.1 mg/dl"),
        ({"tfma_mean_error": 42.0}, "as a share of LiteRT's: 0.05, expected <= 0.003"),
        ({"compiled_model_difference": 0.004}, "one at a time: 0.004 mg/dl, expected <= 0.003 mg/dl"),
    ],
)
def test_a_regressions_gates_are_in_the_unit_of_its_label(change: dict[str, object], said: str) -> None:
    assert all(gate.passed for gate in gates_of_numbers())
    [gate] = [gate for gate in gates_of_numbers(**change) if not gate.passed]
    assert said in str(gate)


def test_a_regression_is_compared_with_the_anchor_by_its_mean_error() -> None:
    comparison = Comparison(sha256="a", won=30, lost=50, n=100, p=0.03, error_change=1.5)
    refused = [str(gate) for gate in gates_of_numbers(against_anchor=comparison) if not gate.passed]
    assert refused == [
        "p of its losses to the anchor (30 won, 50 lost of 100): 0.03, expected >= 0.05 (min_p_if_worse)",
        "mean absolute error less the anchor's: 1.5 mg/dl, expected <= 1 mg/dl (max_mean_error_change)",
    ]
