"""Versions of the libraries that made a TFLite file, and of the one that reads it."""

from importlib import metadata
from pathlib import Path

from tfx import types


def versions(model: Path, artifact: types.Artifact) -> dict[str, str]:
    """Return versions of the packages that made the file, which may come from an older version's cache.

    TFX's is a property of the artifact. TensorFlow's is in the file (`CONVERSION_METADATA`), or left out. LiteRT's
    is that of the runtime that loads the file here.
    """
    from tensorflow.lite.python import util

    found = {"ai-edge-litert": metadata.version("ai-edge-litert")}
    if tfx_version := artifact.get_string_custom_property("tfx_version"):
        found["tfx"] = tfx_version
    converted = util.get_conversion_metadata(bytearray(model.read_bytes()))
    if converted and converted.environment and converted.environment.tensorflowVersion:
        found["tensorflow"] = converted.environment.tensorflowVersion.decode()
    return found


def least_runtime(model: Path) -> str:
    """Return the least version of TensorFlow Lite that reads the file, "" if it is not known."""
    from nightlite.ondevice.in_tfx.conversion.runtime_version import least_runtime_version

    return least_runtime_version(model.read_bytes())
