"""Checks of a TFLite file before it ships, which TFX's rewriter leaves out.

Converting a plain Keras 3 SavedModel "works", but writes a file without weights that returns garbage without an
error. So every file is checked in its Trainer.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from nightlite import litert
from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.file_contract import SIGNATURE, FileContract
from nightlite.ondevice.in_tfx.conversion.file_tensors import tensors
from nightlite.ondevice.in_tfx.conversion.flatbuffer import builtin, parsed
from nightlite.ondevice.in_tfx.raw_examples import Inputs
from nightlite.ondevice.quantization import Quantization

# Far above the differences of float kernels, far below a changed class. Of outputs above 1, a share of the largest.
TOLERANCE = 1e-4
# Quantization may move one example far, but not the mean. Only detects broken models.
_TOLERANCES: dict[Quantization, tuple[str, float]] = {
    "none": ("largest", TOLERANCE),
    "float16": ("mean", 0.001),
    "dynamic": ("mean", 0.01),
    "int8": ("mean", 0.01),
}
BATCH_SIZES = (1, 32)
_VARIABLE_OPS = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}
_OP_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


@dataclasses.dataclass(frozen=True)
class FileReport:
    """Results of the check: bytes of the file, its operators' names, absolute differences of its outputs."""

    size: int
    operators: tuple[str, ...]
    largest_difference: float
    mean_difference: float

    def __str__(self) -> str:
        return (
            f"{self.size:,} bytes, operators {', '.join(self.operators)}, "
            f"difference from Keras at most {self.largest_difference:.2g}, {self.mean_difference:.2g} in the mean"
        )


def check(
    file: Path,
    contract: FileContract,
    inputs: Inputs,
    expected: Mapping[str, Any],
    quantization: Quantization = "none",
) -> FileReport:
    """Check a TFLite file against its contract and against its source model.

    Args:
      file: the TFLite file.
      contract: its inputs and output.
      inputs: real examples by the inputs' names, float32 [n, …].
      expected: the model's own outputs on them by name: one, float32 [n, …].
      quantization: the file's, which decides the tolerance.

    Raises:
      ModelFileError: the message says what was expected and what was found.
    """
    operators = _operators(file)
    interpreter = load(file)
    _check_contract(file, interpreter, contract)
    [outputs] = expected.values()
    wanted = np.asarray(outputs)
    differences = np.concatenate([np.abs(_answers(file, interpreter, inputs, size) - wanted) for size in BATCH_SIZES])
    found = {"largest": float(differences.max()), "mean": float(differences.mean())}
    statistic, tolerance = _TOLERANCES[quantization]
    tolerance *= max(1.0, float(np.abs(wanted).max()))
    if not found[statistic] <= tolerance:  # NaN fails too
        raise ModelFileError(
            f"{file}: expected outputs within {tolerance:.3g} of the Keras signature's on {len(wanted)} examples. "
            f"Received: a {statistic} difference of {found[statistic]:.3g}"
        )
    return FileReport(file.stat().st_size, operators, found["largest"], found["mean"])


def run(interpreter: Interpreter, inputs: Inputs, batch_size: int) -> npt.NDArray[np.float32]:
    """Return the output, float32 [n, …], for inputs by name, float32 [n, …], `batch_size` examples at a time."""
    return np.concatenate(list(litert.outputs(interpreter, inputs, batch_size)))


def _answers(file: Path, interpreter: Interpreter, inputs: Inputs, batch_size: int) -> npt.NDArray[np.float32]:
    try:
        return run(interpreter, inputs, batch_size)
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"{file}: expected answers to {batch_size} examples at a time, as TFMA asks. Received: {error}. "
            "An operator may hold the batch of one as a constant: write shapes with -1, not with tf.shape"
        ) from None


def _operators(file: Path) -> tuple[str, ...]:
    """Return the names of the file's operators, by TFLite's own flatbuffer schema (schema.fbs)."""
    try:
        model = parsed(file.read_bytes())
        codes = model.operatorCodes
    except Exception as error:  # a truncated flatbuffer raises errors of many types
        raise ModelFileError(f"{file}: expected a TFLite file. Received: {type(error).__name__}: {error}") from None
    names = tuple(sorted((code.customCode or b"").decode() or _OP_NAMES.get(builtin(code), "?") for code in codes))
    custom = [(code.customCode or b"").decode() for code in codes if code.customCode]
    if refused := sorted({*custom, *(_VARIABLE_OPS & set(names))}):
        raise ModelFileError(
            f"{file}: expected TFLite's built-in operators without resource variables. Received: {', '.join(refused)}. "
            "Convert a signature exported with keras.export.ExportArchive, whose weights are constants"
        )
    return names


def load(file: Path) -> Interpreter:
    try:
        interpreter = Interpreter(model_path=str(file), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(f"{file}: LiteRT cannot load it: {error}") from None
    return interpreter


def _check_contract(file: Path, interpreter: Interpreter, contract: FileContract) -> None:
    names = list(interpreter.get_signature_list())
    if names != [SIGNATURE]:
        raise ModelFileError(
            f"{file}: expected the signature {SIGNATURE!r} with {contract}. Received: signatures {names}"
        )
    taken, given = litert.signature(interpreter)
    inputs, outputs = tensors(taken), tensors(given)
    named = {name: details["name"] for name, details in taken.items()}
    # TFMA matches features by the tensor's name, phones by the signature's. Both must be the feature's.
    matched = all(_feature(tensor) == name for name, tensor in named.items())
    if len(outputs) == 1 and matched and FileContract(inputs=inputs, output=outputs[0]).same_form(contract):
        return
    found = f"{', '.join(map(str, inputs))} to {', '.join(map(str, outputs))}"
    raise ModelFileError(
        f"{file}: expected inputs and output {contract}, the inputs in any order. "
        f"Received: {found}, input tensors {', '.join(map(repr, named.values()))}"
    )


def _feature(tensor: str) -> str:
    return tensor.removeprefix(f"{SIGNATURE}_").split(":")[0]
