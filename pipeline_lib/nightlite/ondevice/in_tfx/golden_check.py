"""Check of a release's golden examples in LiteRT, as an app's own test would. It imports nothing of TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from nightlite import litert, native_log
from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.golden import Golden, GoldenExample, floats
from nightlite.ondevice.releases.release import Release


@dataclass(frozen=True)
class GoldenCheck:
    """Result of a file's golden examples: the largest difference of each one's outputs; NaN agrees with nothing."""

    differences: tuple[float, ...]
    tolerance: float

    @property
    def agreeing(self) -> int:
        return sum(found <= self.tolerance for found in self.differences)

    @property
    def passed(self) -> bool:
        return self.agreeing == len(self.differences)

    def __str__(self) -> str:
        return (
            f"{self.agreeing} of {len(self.differences)} golden examples agree "
            f"(largest difference {np.max(self.differences):.2g}, tolerance {self.tolerance:g})"
        )


def golden_check(content: bytes, golden: Golden) -> GoldenCheck:
    """Return the result of golden examples in LiteRT's Interpreter, one at a time.

    Raises:
      ValueError: the file has other inputs or outputs.
      RuntimeError: LiteRT cannot run it.
    """
    with native_log.muted():
        interpreter = Interpreter(model_content=content, num_threads=1)
        differences = tuple(_difference(interpreter, example) for example in golden.examples)
    return GoldenCheck(differences, golden.tolerance)


def require_golden(release: Release) -> str:
    """Return the result of a release's golden examples, in words.

    Args:
      release: a private copy that was checked.

    Raises:
      ReleaseError: an example disagrees, or LiteRT cannot run the file.
    """
    golden = release.golden()
    if golden is None:
        return "no golden examples: made before them"
    try:
        check = golden_check(release.model(), golden)
    except (ValueError, RuntimeError) as error:
        raise ReleaseError(
            f"LiteRT cannot run the golden examples of release {release.version} here: {error}"
        ) from None
    if not check.passed:
        raise ReleaseError(
            f"expected all golden examples of release {release.version} to agree. Received: {check}. Do not use it: "
            "the file, the examples or this machine's runtime are not those that it was made with"
        )
    return str(check)


def _difference(interpreter: Interpreter, example: GoldenExample) -> float:
    taken, _ = litert.signature(interpreter)
    litert.require_inputs(taken, example.inputs)
    inputs = {name: np.array(floats(values), np.float32) for name, values in example.inputs.items()}
    found = litert.answer(interpreter, {name: flat.reshape(taken[name]["shape"]) for name, flat in inputs.items()})
    return difference(found, example)


def difference(found: Mapping[str, Any], example: GoldenExample) -> float:
    """Return the largest difference of a runtime's outputs, arrays by their names, from an example's.

    Raises:
      ValueError: the outputs have other names.
    """
    if set(found) != set(example.outputs):
        raise ValueError(f"expected outputs named {', '.join(example.outputs)}. Received: {', '.join(found)}")
    pairs = [(found[name].ravel(), np.array(floats(wanted), np.float32)) for name, wanted in example.outputs.items()]
    return float(np.max([np.max(np.abs(output - wanted)) for output, wanted in pairs]))
