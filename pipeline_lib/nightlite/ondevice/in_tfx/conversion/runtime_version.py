"""The least version of the runtime that reads a TFLite file, and the versions of its operators.

ai-edge-quantizer leaves both as the float file's: such an int8 file claims to run on a runtime that misreads it.
TensorFlow's own writer knows which versions the types need, so they are read from a copy that it writes.
"""

from typing import Any

import numpy as np
from tensorflow.lite.python.convert import mlir_sparsify

from nightlite.ondevice.in_tfx.conversion.flatbuffer import builtin, packed, parsed

# TensorFlow's name for it, and its length in the file (tensorflow/compiler/mlir/lite/flatbuffer_export.cc).
_KEY, _LENGTH = b"min_runtime_version", 16


def with_true_versions(content: bytes) -> bytes:
    """Return a quantized file with the versions that its operators' types need.

    Raises:
      Exception: of several types, if TensorFlow cannot read the file.
    """
    rewritten = mlir_sparsify(content)
    model, written = map(parsed, (content, rewritten))
    versions: dict[int, int] = {}
    for code in written.operatorCodes:
        versions[builtin(code)] = max(versions.get(builtin(code), 0), code.version)
    for code in model.operatorCodes:
        code.version = versions[builtin(code)]
    if (buffer := _buffer(model)) is not None:
        version = least_runtime_version(rewritten).encode().ljust(_LENGTH, b"\0")
        buffer.data = np.frombuffer(version, np.uint8)
    return packed(model)


def least_runtime_version(content: bytes) -> str:
    """Return the TensorFlow Lite version that a file's metadata name, such as "1.14.0", or "" if they name none."""
    buffer = _buffer(parsed(content))
    return "" if buffer is None else bytes(buffer.data).rstrip(b"\0").decode()


def _buffer(model: Any) -> Any | None:
    return next((model.buffers[item.buffer] for item in model.metadata or () if item.name == _KEY), None)
