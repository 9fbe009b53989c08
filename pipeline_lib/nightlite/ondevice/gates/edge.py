"""EdgeValidator's gates: bounds on the file's results in the runtime that ships."""

from collections.abc import Iterator, Mapping

from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.contract.file_contract import FileContract
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.measurements import CandidateMeasurements
from nightlite.ondevice.gates.rows import rows_of
from nightlite.ondevice.gates.table import AGAINST_RELEASES, CHANCE, CHANGES, EDGE
from nightlite.ondevice.quantization import TOLERANCES
from nightlite.ondevice.task import Task


def bounds_of(task: Task) -> tuple[str, ...]:
    """Return the run parameters of the bounds. The quantization decides which of the two agreements counts."""
    return tuple(row.name for row in rows_of((*EDGE, *AGAINST_RELEASES), task))


def edge_gates(
    measured: CandidateMeasurements | None,
    bounds: Mapping[str, float],
    expected: AppContract,
    quantization: str,
    node_id: str,
    found: str = "",
) -> tuple[Gate, ...]:
    """Return every gate, passed ones too. Without a last release, no gate compares with it.

    Args:
      measured: None if the runtime could not run the file. Every gate has failed then.
      bounds: by the names of `bounds_of` the task.
      expected: the file's inputs and output, and its task.
      quantization: the run parameter, which decides the required agreements.
      node_id: EdgeValidator's.
      found: the problem of a file that cannot be measured, for the contract's gate.
    """
    gates = [
        _contract_gate(measured, expected.file, node_id, found),
        _compiled_model_gate(measured, TOLERANCES[quantization], expected.task.unit, node_id),
    ]
    for row in rows_of(EDGE, expected.task):
        if quantization in row.quantizations and (not row.compares or (measured and measured.baseline)):
            gates.append(row.judge(bounds, row.measure(measured) if measured else None, node_id))
    return (*gates, *_paired_gates(measured, bounds, expected.task, node_id))


def _paired_gates(
    measured: CandidateMeasurements | None, bounds: Mapping[str, float], task: Task, node_id: str
) -> Iterator[Gate]:
    """Yield the gates on losses to the last release and to the anchor.

    The last release's margin is the Evaluator's.
    """
    found = (measured.against_baseline, measured.against_anchor) if measured else (None, None)
    for whose, comparison in zip(("the last release", "the anchor"), found, strict=True):
        if comparison:
            subject = f"{CHANCE.subject} to {whose} ({comparison})"
            yield CHANCE.judge(bounds, comparison.p_if_worse, node_id, subject)
    if measured and measured.against_anchor:
        [row] = rows_of(CHANGES, task)
        subject = row.subject.replace("the last release", "the anchor")
        yield row.judge(bounds, measured.against_anchor.change, node_id, subject)


def _contract_gate(measured: CandidateMeasurements | None, expected: FileContract, node_id: str, found: str) -> Gate:
    """Return the contract's gate: 1 is kept, 0 is broken. The subject names the file's actual contract."""
    kept = False
    if measured:
        kept = measured.contract.same_form(expected)
        found = "" if kept else str(measured.contract)
    return Gate(
        name="contract",
        node_id=node_id,
        subject=f"contract of {expected} kept" + (f"; found {found}" if found else ""),
        relation=">=",
        bound=1,
        value=float(kept) if found or kept else None,
        passed=kept,
    )


def _compiled_model_gate(measured: CandidateMeasurements | None, tolerance: float, unit: str, node_id: str) -> Gate:
    """Return the gate on CompiledModel's answers. The subject names what kept it from running the file."""
    tolerance = (measured and measured.tolerance) or tolerance
    subject, value = "largest difference of CompiledModel's answers from the Interpreter's", None
    if measured:
        value = measured.compiled_model_difference
        problem = measured.compiled_model_problem
        subject += f"; found {problem}" if problem else f", {measured.compiled_model_examples:,} examples one at a time"
    return Gate(
        name="compiled_model",
        node_id=node_id,
        subject=subject,
        relation="<=",
        bound=tolerance,
        value=value,
        unit=unit,
        passed=value is not None and value <= tolerance,
    )
