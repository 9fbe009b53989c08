"""Comparison of two models on the same examples: how often one is better, and how likely that is chance."""

import math
from typing import Final

from pydantic import BaseModel, ConfigDict

# A difference with a smaller p is detectable.
LEVEL: Final = 0.05
# The fewest examples of difference that are detectable. Of k examples that only one model gets right, all on one side
# have p = 2 * 0.5**k. With examples on the other side, too, the same difference has a larger p.
LEAST_DIFFERENCE: Final = math.floor(1 - math.log2(LEVEL)) + 1


class Comparison(BaseModel):
    """A candidate against another file, by McNemar's exact test: the sign test of paired examples.

    Of `n` examples, only the candidate is right on `won`, and only the other file on `lost`. In a regression, these
    are the examples with a smaller and with a larger absolute error. `p` is the two-sided probability of a split at
    least as uneven between equally good models. `sha256` is the other file's. `error_change` is a regression's mean
    error less the other file's.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    won: int
    lost: int
    n: int
    p: float
    error_change: float | None = None

    @property
    def better(self) -> bool:
        return self.won > self.lost and self.p < LEVEL

    @property
    def worse(self) -> bool:
        return self.lost > self.won and self.p < LEVEL

    @property
    def change(self) -> float:
        """Return the candidate's accuracy, or mean error, less the other file's."""
        return (self.won - self.lost) / self.n if self.error_change is None else self.error_change

    @property
    def p_if_worse(self) -> float:
        """Return `p`, or 1 if the candidate did not lose more than it won."""
        return self.p if self.lost > self.won else 1.0

    def __str__(self) -> str:
        return f"{self.won} won, {self.lost} lost of {self.n:,}"


def chance_below(examples: int) -> float:
    """Return the difference in accuracy below which the exact test tells no two models apart.

    The test is McNemar's (Psychometrika 12, 1947), with the binomial's own tail.
    """
    return min(1.0, LEAST_DIFFERENCE / max(1, examples))
