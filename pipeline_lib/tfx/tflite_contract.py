"""What a TFLite file says of itself: its signature, and the TensorFlow that converted it."""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tfx import types

from pipeline_lib.edge import TensorContract

SIGNATURE = "serving_default"
Tensors = tuple[TensorContract, ...]


def signature(model: Path) -> tuple[Tensors, Tensors]:
    """Inputs and outputs of the file's `serving_default`, as an app calls it with LiteRT."""
    runner = Interpreter(model_path=str(model)).get_signature_runner(SIGNATURE)
    return _tensors(runner.get_input_details()), _tensors(runner.get_output_details())


def _tensors(details: dict[str, Any]) -> Tensors:
    return tuple(
        TensorContract(
            name=name, dtype=np.dtype(detail["dtype"]).name, shape=tuple(map(int, detail["shape_signature"]))
        )
        for name, detail in details.items()
    )


def versions(model: Path, artifact: types.Artifact) -> dict[str, str]:
    """Versions of what made the file, which may have been answered from an older version's cache.

    TFX's is a property of the artifact, TensorFlow's is in the file (`CONVERSION_METADATA`); of a file that does not
    hold it, none is told. LiteRT's is that of the runtime which loads the file here.
    """
    from tensorflow.lite.python import util

    found = {"ai-edge-litert": metadata.version("ai-edge-litert")}
    if tfx_version := artifact.get_string_custom_property("tfx_version"):
        found["tfx"] = tfx_version
    converted = util.get_conversion_metadata(bytearray(model.read_bytes()))
    if converted and converted.environment and converted.environment.tensorflowVersion:
        found["tensorflow"] = converted.environment.tensorflowVersion.decode()
    return found
