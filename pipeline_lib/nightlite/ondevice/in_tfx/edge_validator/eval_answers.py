"""Each model's answers on the eval split, written by EdgeValidator beside `measurements.json` for ModelReport."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.raw_examples import Inputs, Labels

PROBABILITIES_FILE = "probabilities.npz"
_MODELS = ("keras", "tflite", "released")
_SHOWN_OF_A_KIND = 24
_INPUT = "input."  # before the name of a feature, which may be that of a model

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EvalAnswers:
    """The models' answers, and the few examples of the split that a page shows.

    Attributes:
      labels: int64 [n]; float32 [n] of a regression.
      probabilities: float32 [n, classes] by "keras", "tflite" and, if there is one, "released". A regression's numbers
        are float32 [n, 1].
      inputs: of `shown`, in that order, float32 [k, …] by the names of the features.
      eval_set: hash of all examples in their order.
    """

    labels: Labels
    probabilities: Mapping[str, Floats]
    inputs: Inputs
    eval_set: str

    @classmethod
    def of(
        cls, inputs: Inputs, labels: Labels, probabilities: Mapping[str, Floats], odd: Mapping[str, Indices]
    ) -> Self:
        """Return answers that keep, of all inputs [n, …], those to show of `odd` (`TaskMeasures.odd_ones`)."""
        digest = hashlib.sha256()
        for name in sorted(inputs):
            digest.update(inputs[name].tobytes())
        digest.update(labels.tobytes())
        indices = [index for index, _ in shown(odd)]
        kept = {name: values[indices] for name, values in inputs.items()}
        return cls(labels, probabilities, kept, digest.hexdigest()[:16])

    def write(self, folder: Path) -> None:
        """Write `probabilities.npz`."""
        inputs = {f"{_INPUT}{name}": values for name, values in self.inputs.items()}
        arrays: dict[str, Any] = {**self.probabilities, "labels": self.labels, **inputs}
        np.savez_compressed(folder / PROBABILITIES_FILE, **arrays, eval_set=np.array(self.eval_set))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `probabilities.npz`.

        Raises:
          DataError: there is none, because LiteRT could not run the file.
        """
        try:
            with np.load(folder / PROBABILITIES_FILE) as file:
                found = {name: file[name] for name in file.files}
        except FileNotFoundError:
            raise DataError(
                f"{folder}: expected {PROBABILITIES_FILE} of EdgeValidator's. Received: none, for it could not run the "
                "TFLite file. Its gate 'contract' says why"
            ) from None
        models = {name: found[name] for name in _MODELS if name in found}
        inputs = {name.removeprefix(_INPUT): found[name] for name in found if name.startswith(_INPUT)}
        return cls(found["labels"], models, inputs, str(found["eval_set"]))


def shown(odd: Mapping[str, Indices]) -> list[tuple[int, str]]:
    """Return index and kind of the first few of each kind."""
    return [(int(index), kind) for kind, indices in odd.items() for index in indices[:_SHOWN_OF_A_KIND]]
