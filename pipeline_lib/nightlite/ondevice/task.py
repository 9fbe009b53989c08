"""Task of a model: what its output means. It decides the metrics, the gates, the report's panels and the words."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["classification", "regression"]


class Classification(BaseModel):
    """One of several classes for an example.

    The output has a probability for each label. With two labels, it may be only the probability of the second.

    Attributes:
      labels: the classes, in the order of the output. An example's label is an index into them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["classification"] = "classification"
    labels: tuple[str, ...] = Field(min_length=2)

    @property
    def unit(self) -> str:
        """Return the unit of the output: none, for probabilities."""
        return ""

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether an output may have this shape."""
        counts = (1, 2) if len(self.labels) == 2 else (len(self.labels),)
        return len(shape) == 2 and shape[1] in counts


class Regression(BaseModel):
    """A number for an example.

    The output has one value, in the unit of the label. An example's label is one float32.

    Attributes:
      unit: of the label, of the output and of the bounds on errors, such as `mg/dl`; "" for a plain number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["regression"] = "regression"
    unit: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Return no labels: there are no classes."""
        return ()

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether an output may have this shape."""
        return len(shape) == 2 and shape[1] == 1


Task = Annotated[Classification | Regression, Field(discriminator="kind")]
