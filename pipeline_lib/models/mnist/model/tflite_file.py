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

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, NUM_CLASSES
from nightlite import litert
from nightlite.errors import ModelFileError
from nightlite.ondevice.quantization import Quantization

# Far above the differences of float kernels, far below a changed digit.
TOLERANCE = 1e-4
# Quantization may move one image far, but not the mean. Only detects broken models.
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
    """Results of the check: bytes of the file, its operators' names, absolute differences of its probabilities."""

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
    file: Path, images: npt.NDArray[np.float32], expected: Mapping[str, Any], quantization: Quantization = "none"
) -> FileReport:
    """Check a TFLite file against its input contract and against its source model.

    Args:
      file: the TFLite file.
      images: real examples, float32 [n, 784], n >= 32.
      expected: the model's own outputs on them by name: one, float32 [n, 10].
      quantization: the file's, which decides the tolerance.

    Raises:
      ModelFileError: the message says what was expected and what was found.
    """
    operators = _operators(file)
    interpreter = _load(file)
    _check_contract(file, interpreter)
    [probabilities] = expected.values()
    wanted = np.asarray(probabilities)
    differences = np.concatenate([np.abs(run(interpreter, images, size) - wanted) for size in BATCH_SIZES])
    found = {"largest": float(differences.max()), "mean": float(differences.mean())}
    statistic, tolerance = _TOLERANCES[quantization]
    if not found[statistic] <= tolerance:  # NaN fails too
        raise ModelFileError(
            f"{file}: expected outputs within {tolerance} of the Keras signature's on {len(images)} examples. "
            f"Received: a {statistic} difference of {found[statistic]:.3g}"
        )
    return FileReport(file.stat().st_size, operators, found["largest"], found["mean"])


def run(interpreter: Interpreter, images: npt.NDArray[np.float32], batch_size: int) -> npt.NDArray[np.float32]:
    """Return probabilities, float32 [n, 10], for images, float32 [n, 784], `batch_size` at a time."""
    return np.concatenate(list(litert.outputs(interpreter, images, batch_size)))


def _operators(file: Path) -> tuple[str, ...]:
    """Return the names of the file's operators, by TFLite's own flatbuffer schema (schema.fbs)."""
    try:
        model = schema.ModelT.InitFromPackedBuf(bytearray(file.read_bytes()), 0)
        codes = model.operatorCodes
    except Exception as error:  # a truncated flatbuffer raises errors of many types
        raise ModelFileError(f"{file}: expected a TFLite file. Received: {type(error).__name__}: {error}") from None
    names = tuple(
        sorted(
            (code.customCode or b"").decode() or _OP_NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "?")
            for code in codes
        )
    )
    custom = [(code.customCode or b"").decode() for code in codes if code.customCode]
    if refused := sorted({*custom, *(_VARIABLE_OPS & set(names))}):
        raise ModelFileError(
            f"{file}: expected TFLite's built-in operators without resource variables. Received: {', '.join(refused)}. "
            "Convert a signature exported with keras.export.ExportArchive, whose weights are constants"
        )
    return names


def _load(file: Path) -> Interpreter:
    try:
        interpreter = Interpreter(model_path=str(file), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(f"{file}: LiteRT cannot load it: {error}") from None
    return interpreter


def _check_contract(file: Path, interpreter: Interpreter) -> None:
    signature = interpreter.get_signature_list().get("serving_default")
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    found = (
        signature["inputs"] if signature else None,
        [
            ([int(size) for size in item["shape_signature"]], np.dtype(item["dtype"]).name)
            for item in (*inputs, *outputs)
        ],
    )
    wanted = ([IMAGE_KEY], [([-1, IMAGE_SIZE], "float32"), ([-1, NUM_CLASSES], "float32")])
    # TFMA matches features by the tensor's name, phones by the signature's. Both must be image_floats.
    if found != wanted or inputs[0]["name"].removeprefix("serving_default_").split(":")[0] != IMAGE_KEY:
        raise ModelFileError(
            f"{file}: expected inputs, and shapes and dtypes of input and output: {wanted}. "
            f"Received: {found}, input tensor {inputs[0]['name'] if inputs else None!r}"
        )
