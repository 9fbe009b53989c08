"""One file for every runtime: CompiledModel and LiteRT.js want a closed batch of one, TFMA wants batches.

A file converted at [1, …] runs everywhere, but its RESHAPEs hold the batch as a constant. With -1 in its place, the
Interpreter takes any batch again. docs/decisions/0006-quantization.md has the figures.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from nightlite.ondevice.in_tfx.conversion.flatbuffer import builtin, packed, parsed


def one_example(signature: tf.types.experimental.ConcreteFunction) -> tf.types.experimental.ConcreteFunction:
    """Return the same signature for a batch of one, with inputs and outputs of the same names."""
    _, taken = signature.structured_input_signature
    closed = {name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name=name) for name, spec in taken.items()}
    return tf.function(signature, autograph=False).get_concrete_function(**closed)


def with_batches(content: bytes) -> bytes:
    """Return a TFLite file whose RESHAPEs leave the batch open."""
    model = parsed(content)
    for graph in model.subgraphs:
        for operator in graph.operators:
            if builtin(model.operatorCodes[operator.opcodeIndex]) == schema.BuiltinOperator.RESHAPE:
                _open(model, graph, operator)
    return packed(model)


def _open(model: Any, graph: Any, operator: Any) -> None:
    """Write -1 as the first size of one RESHAPE, in its options and in its constant."""
    sizes = graph.tensors[operator.outputs[0]].shape
    if len(sizes) == 0:
        return
    shape = np.array([-1, *sizes[1:]], np.int32)
    if operator.builtinOptions is not None:
        operator.builtinOptions.newShape = shape
    # A shape that is computed is no constant, and has the batch in it.
    constant = model.buffers[graph.tensors[operator.inputs[1]].buffer] if len(operator.inputs) > 1 else None
    if constant and constant.data is not None:
        constant.data = np.frombuffer(shape.tobytes(), np.uint8)
