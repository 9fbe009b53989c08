"""A TFLite file as the objects of its flatbuffer (schema.fbs), to be looked at or repaired."""

from typing import Any

from ai_edge_litert.tools import flatbuffer_utils


def parsed(content: bytes) -> Any:
    """Return a file's `ModelT`. A content that is no such file raises errors of many types."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def packed(model: Any) -> bytes:
    """Return the file of a `ModelT`."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def builtin(code: Any) -> int:
    """Return the `BuiltinOperator` of an operator code. The older field ends at 127."""
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))
