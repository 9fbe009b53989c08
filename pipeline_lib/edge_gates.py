"""EdgeValidator's gates: bounds on what the runtime that ships made of the file."""

from collections.abc import Iterator, Mapping

from pipeline_lib.edge import EdgeMeasurements, TensorContract
from pipeline_lib.gates import Gate

# The run parameters that hold the bounds; one of the two agreements counts, by the quantization.
BOUNDS = (
    "max_size_kib",
    "max_load_ms",
    "max_latency_ms",
    "max_latency_ratio",
    "max_memory_mib",
    "min_keras_agreement",
    "min_quantized_agreement",
    "max_output_difference",
    "max_mean_output_difference",
    "max_keras_accuracy_drop",
    "max_tfma_difference",
    "min_accuracy_change",
    "min_p_if_worse",
)
_FLOAT = ("none", "float16")


def edge_gates(
    measured: EdgeMeasurements | None,
    bounds: Mapping[str, float],
    expected: tuple[TensorContract, TensorContract],
    quantization: str,
    node_id: str,
    found: str = "",
) -> tuple[Gate, ...]:
    """Every gate, passed ones too; without a last release there is none that compares with it.

    Args:
      measured: None where the runtime could not run the file: every gate has failed.
      bounds: by the names in `BOUNDS`.
      expected: the file's input and its output; of the output, the name is free.
      quantization: the run parameter; decides which agreement is asked for.
      node_id: EdgeValidator's.
      found: what there was in place of a file that can be measured, for the contract's gate.
    """
    values = _values(measured)
    agreement = "min_keras_agreement" if quantization in _FLOAT else "min_quantized_agreement"
    gates = [_contract_gate(measured, expected, node_id, found)]
    for name, subject, unit in (
        ("max_size_kib", "size of the file", "KiB"),
        ("max_load_ms", "time to load the file", "ms"),
        ("max_latency_ms", "95th percentile of latency", "ms"),
        ("max_latency_ratio", "median latency over the last release's", ""),
        ("max_memory_mib", "peak memory of the file in use", "MiB"),
        (agreement, "share of images given the same digit as by Keras", ""),
        ("max_output_difference", "largest difference of a probability from Keras's", ""),
        ("max_mean_output_difference", "mean difference of the probabilities from Keras's", ""),
        ("max_keras_accuracy_drop", "Keras's accuracy less the file's", ""),
        ("max_tfma_difference", "difference between TFMA's accuracy of the file and LiteRT's", ""),
    ):
        if name != "max_latency_ratio" or (measured and measured.baseline):
            gates.append(_gate(name, subject, unit, bounds[name], values.get(name), node_id))
    return (*gates, *_paired_gates(measured, bounds, node_id))


def _paired_gates(measured: EdgeMeasurements | None, bounds: Mapping[str, float], node_id: str) -> Iterator[Gate]:
    """Yield those on losses to the last release and to the anchor; the last release's margin is the Evaluator's."""
    found = (measured.against_baseline, measured.against_anchor) if measured else (None, None)
    for whose, comparison in zip(("the last release", "the anchor"), found, strict=True):
        if comparison:
            subject = f"p of its losses to {whose} ({comparison})"
            yield _gate("min_p_if_worse", subject, "", bounds["min_p_if_worse"], comparison.p_if_worse, node_id)
    if measured and measured.against_anchor:
        change = measured.against_anchor.change
        yield _gate(
            "min_accuracy_change", "accuracy less the anchor's", "", bounds["min_accuracy_change"], change, node_id
        )


def _values(measured: EdgeMeasurements | None) -> dict[str, float | None]:
    if not measured:
        return {}
    tfma, baseline = measured.tfma_accuracy, measured.baseline
    return {
        "max_size_kib": measured.size_bytes / 1024,
        "max_load_ms": measured.load_ms,
        "max_latency_ms": measured.latency_ms.p95,
        "max_latency_ratio": measured.latency_ms.p50 / baseline.latency_ms.p50 if baseline else None,
        "max_memory_mib": measured.peak_memory_mib,
        "min_keras_agreement": measured.keras_agreement,
        "min_quantized_agreement": measured.keras_agreement,
        "max_output_difference": measured.max_abs_difference,
        "max_mean_output_difference": measured.mean_abs_difference,
        "max_keras_accuracy_drop": measured.keras_accuracy - measured.accuracy,
        "max_tfma_difference": None if tfma is None else abs(tfma - measured.accuracy),
    }


def _gate(name: str, subject: str, unit: str, bound: float, value: float | None, node_id: str) -> Gate:
    at_least = name.startswith("min_")
    return Gate(
        name=name,
        node_id=node_id,
        subject=subject,
        relation=">=" if at_least else "<=",
        bound=bound,
        value=value,
        unit=unit,
        passed=value is not None and (value >= bound if at_least else value <= bound),
    )


def _contract_gate(
    measured: EdgeMeasurements | None, expected: tuple[TensorContract, TensorContract], node_id: str, found: str
) -> Gate:
    """Not a number: 1 is kept, 0 is broken; what the file has instead is part of the subject."""
    kept = False
    if measured:
        taken, given = expected
        kept = measured.input == taken and (measured.output.dtype, measured.output.shape) == (given.dtype, given.shape)
        found = "" if kept else f"{measured.input} to {measured.output}"
    return Gate(
        name="contract",
        node_id=node_id,
        subject=f"contract of {expected[0]} to {expected[1]} kept" + (f"; found {found}" if found else ""),
        relation=">=",
        bound=1,
        value=float(kept) if found or kept else None,
        passed=kept,
    )
