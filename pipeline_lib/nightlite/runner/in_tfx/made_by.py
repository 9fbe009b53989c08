"""Custom property of every artifact: the code that made it and its inputs."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tfx.orchestration.portable import data_types
from tfx.types import Artifact

from nightlite.runner.in_tfx.fingerprints import FILE_FINGERPRINT, FINGERPRINT

MADE_BY: Final = "made_by_code"
_LENGTH = 16


def mark_outputs(info: data_types.ExecutionInfo) -> None:
    """Mark all outputs of an execution that is about to run."""
    inputs = [item for items in info.input_dict.values() for item in items]
    outputs = [item for items in info.output_dict.values() for item in items]
    mark(outputs, inputs, info.exec_properties)


def mark(outputs: Iterable[Artifact], inputs: Iterable[Artifact], exec_properties: Mapping[str, Any]) -> None:
    """Write the fingerprints of the node's code, and of the code behind its inputs, into each output.

    They are a set: a model that starts from the last one is made by the same code every night.
    """
    own = [str(exec_properties[name])[:_LENGTH] for name in (FINGERPRINT, FILE_FINGERPRINT) if name in exec_properties]
    before = [digest for item in inputs for digest in item.get_string_custom_property(MADE_BY).split()]
    if found := sorted({*own, *before}):
        for item in outputs:
            item.set_string_custom_property(MADE_BY, " ".join(found))
