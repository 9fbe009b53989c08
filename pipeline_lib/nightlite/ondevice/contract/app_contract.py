"""AppContract: what an app relies on when it gets a new file. A change of it needs a new version of the app."""

from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from nightlite.ondevice.contract.file_contract import FileContract, TensorContract
from nightlite.ondevice.task import Classification, Regression, Task


class Meaning(BaseModel):
    """How an app makes an input's values: `raw * scale + offset`, in float32. A missing value is NaN.

    Attributes:
      description: the raw values, in words for the app's developer. Rewording it is no change of the meaning.
      unit: of the raw values.
      scale, offset: from a raw value to the input's.
      order: of the values in the tensor, "" if there is only one.
      vocabulary: the meanings of the codes 0, 1, …; empty for a quantity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    description: str
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    order: str = ""
    vocabulary: tuple[str, ...] = ()


class Input(TensorContract):
    """An input with its meaning, which older manifests do not have (None)."""

    meaning: Meaning | None = None


class AppContract(BaseModel):
    """Inputs, output and labels of one file.

    Attributes:
      inputs: an app finds them by their names.
      output: has one entry per label. Of two labels, it may have only the second. A regression's has one number.
      labels: the meaning of the output's entries, in their order; () for a regression.
      unit: of a regression's output; "" in a classification.
    """

    model_config = ConfigDict(frozen=True)

    inputs: tuple[Input, ...] = Field(min_length=1)
    output: TensorContract
    labels: tuple[str, ...]
    unit: str = ""

    @property
    def task(self) -> Task:
        """Return the meaning of the output."""
        return Classification(labels=self.labels) if self.labels else Regression(unit=self.unit)

    @property
    def file(self) -> FileContract:
        """Return the part that a file itself has."""
        tensors = (TensorContract(name=item.name, dtype=item.dtype, shape=item.shape) for item in self.inputs)
        return FileContract(inputs=tuple(tensors), output=self.output)

    def changes(self, served: Self) -> tuple[str, ...]:
        """Return what differs from another contract, a phrase each. The batch does not count, nor does a description.

        Args:
          served: of the release that phones have.
        """
        return tuple(self._changes(served))

    def _changes(self, served: Self) -> Iterator[str]:
        now, before = ({item.name: item for item in contract.inputs} for contract in (self, served))
        for name in sorted(before.keys() - now.keys()):
            yield f"input {name} is gone"
        for name in sorted(now.keys() - before.keys()):
            yield f"input {name} is new"
        for name in sorted(now.keys() & before.keys()):
            yield from _differences(f"input {name}", _facts(now[name]), _facts(before[name]))
        yield from _differences("output", _facts(self.output), _facts(served.output))
        meant = ({"labels": contract.labels, "unit": contract.unit} for contract in (self, served))
        yield from _differences("output", *meant)


def _facts(tensor: TensorContract) -> dict[str, object]:
    found: dict[str, object] = {"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape[1:]}
    if isinstance(tensor, Input) and tensor.meaning:
        found |= tensor.meaning.model_dump(exclude={"description"})
    return found


def _differences(what: str, now: dict[str, object], before: dict[str, object]) -> Iterator[str]:
    for fact, value in now.items():
        if fact in before and value != before[fact]:
            yield f"{what}: {fact} {_told(value)} instead of {_told(before[fact])}"


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
