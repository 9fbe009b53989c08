"""Inputs and outputs of a TFLite file as LiteRT tells them. It imports nothing of TensorFlow."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nightlite.ondevice.contract.file_contract import TensorContract


def tensors(details: Mapping[str, Mapping[str, Any]]) -> tuple[TensorContract, ...]:
    """Return the contracts of `litert.signature`'s inputs or outputs, in a caller's names, types and shapes."""
    return tuple(_tensor(name, found) for name, found in details.items())


def _tensor(name: str, details: Mapping[str, Any]) -> TensorContract:
    shape = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    return TensorContract(name=name, dtype=np.dtype(details["dtype"]).name, shape=tuple(int(size) for size in shape))
