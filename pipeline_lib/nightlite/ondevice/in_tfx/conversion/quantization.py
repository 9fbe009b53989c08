"""Quantization of a float TFLite file by ai-edge-quantizer. docs/decisions/0006-quantization.md has the reasons."""

import contextlib
import io
from pathlib import Path

from ai_edge_quantizer import quantizer, recipe
from ai_edge_quantizer.qtyping import (
    ComputePrecision,
    OpQuantizationConfig,
    TensorDataType,
    TensorQuantizationConfig,
    TFLOperationName,
)
from ai_edge_quantizer.recipe_manager import AlgorithmName, RecipeManager

from nightlite import durable
from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.file_contract import SIGNATURE
from nightlite.ondevice.in_tfx.conversion.flatbuffer import packed, parsed
from nightlite.ondevice.in_tfx.conversion.runtime_version import with_true_versions
from nightlite.ondevice.in_tfx.raw_examples import Inputs
from nightlite.ondevice.quantization import Quantization

# The quantizer averages the ranges of the samples that it is given. One number has no range.
_LEAST_VALUES = 256


def quantize(file: Path, mode: Quantization, inputs: Inputs) -> None:
    """Replace a float file by its quantized form. Inputs and output stay float32 in every mode.

    Args:
      file: TFLite file.
      mode: `dynamic` has int8 weights, and quantizes activations at run time. `float16` has float16 weights. `int8` has
        int8 weights and activations, by the ranges of the activations on `inputs`.
      inputs: a representative sample of the training split by the inputs' names, read for int8 only.

    Raises:
      ModelFileError: the quantizer cannot process this file.
    """
    original = file.read_bytes()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its own report; the Trainer prints a better one
            work = quantizer.Quantizer(original, _recipe(mode))
            ranges = work.calibrate({SIGNATURE: _samples(inputs)}, num_threads=1)
            quantized = with_true_versions(_as_outside(work.quantize(ranges).quantized_model, original))
    except Exception as error:  # from the flatbuffer's reader, the interpreter or the quantizer
        raise ModelFileError(f"{file}: cannot be quantized to {mode}. Received: {error!r}") from None
    durable.write(file, quantized)


def _samples(inputs: Inputs) -> list[Inputs]:
    """Return batches in which each input has enough values for a range of its own: an image alone is one."""
    count = len(next(iter(inputs.values())))
    size = -(-_LEAST_VALUES // min(values[0].size for values in inputs.values()))
    return [{name: values[at : at + size] for name, values in inputs.items()} for at in range(0, count, size)]


def _recipe(mode: Quantization) -> list[dict[str, object]]:
    recipes = RecipeManager()
    if mode == "dynamic":
        recipes.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    elif mode == "float16":
        half = TensorQuantizationConfig(num_bits=16, dtype=TensorDataType.FLOAT)
        config = OpQuantizationConfig(
            weight_tensor_config=half, compute_precision=ComputePrecision.FLOAT, explicit_dequantize=True
        )
        recipes.add_quantization_config(".*", TFLOperationName.ALL_SUPPORTED, config, AlgorithmName.FLOAT_CASTING)
    else:
        recipes.load_quantization_recipe(recipe.static_wi8_ai8())
        # The file itself quantizes: phones pass floats, and TFMA casts to int8 without rounding. Of SOFTMAX, XNNPACK
        # has no int8 form: one such operator, and the file is not fully accelerated.
        for operator in (TFLOperationName.INPUT, TFLOperationName.OUTPUT, TFLOperationName.SOFTMAX):
            recipes.add_quantization_config(".*", operator, algorithm_key=AlgorithmName.NO_QUANTIZE)
    found: list[dict[str, object]] = recipes.get_quantization_recipe()
    return found


def _as_outside(quantized: bytes, original: bytes) -> bytes:
    """Return the quantized file with the names of the float file's inputs and outputs, and without unused names.

    ai-edge-quantizer's tensors at the ends have names of their own. The inner names are 3 KB, a twentieth of an
    int8 file.
    """
    model, before = map(parsed, (quantized, original))
    for graph, float_graph in zip(model.subgraphs, before.subgraphs, strict=True):
        outer = [*graph.inputs, *graph.outputs]
        for index, tensor in enumerate(graph.tensors):
            if index not in outer:
                tensor.name = b""
        for index, float_index in zip(outer, [*float_graph.inputs, *float_graph.outputs], strict=True):
            graph.tensors[index].name = float_graph.tensors[float_index].name
    return packed(model)
