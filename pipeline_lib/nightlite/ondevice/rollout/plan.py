"""Plan of a model's roll-outs, from its settings. Standard library only."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

# Of 1,000 phones: canonical JSON, which TUF signs, takes no fractions.
FULL: Final = 1000
Overlap = Literal["wait", "replace"]


@dataclass(frozen=True)
class Plan:
    """Shares of phones on `stable` that a release gets one after another, before all get it.

    Attributes:
      steps: shares in thousandths, growing; (): every release goes to all phones at once.
      overlap: what a new release does while the last one is on its way. `wait`: it begins when that one is done.
        `replace`: it takes its place.
    """

    steps: tuple[int, ...] = ()
    overlap: Overlap = "wait"

    def after(self, permille: int) -> int:
        """Return the next share."""
        return next((step for step in self.steps if step > permille), FULL)


AT_ONCE: Final = Plan()


def steps_of(percents: str) -> tuple[int, ...]:
    """Return the steps of a text of percents, such as `10,50`.

    Raises:
      ValueError: it is something else.
    """
    expected = "expected growing percents from 0.1 to 99.9, such as 10,50, or nothing"
    try:
        steps = tuple(permille_of(float(part)) for part in percents.split(",")) if percents.strip() else ()
    except ValueError:
        raise ValueError(expected) from None
    if any(step >= FULL for step in steps) or any(one >= next_one for one, next_one in pairwise(steps)):
        raise ValueError(expected)
    return steps


def permille_of(percent: float) -> int:
    """Return a share in thousandths.

    Raises:
      ValueError: it is less than a thousandth or more than all phones.
    """
    if not 0.1 <= percent <= 100:
        raise ValueError(f"expected a percent from 0.1 to 100. Received: {percent:g}")
    return round(percent * 10)


def percent(permille: int) -> str:
    """Return a share in words, such as `2.5 %`."""
    return f"{permille / 10:g} %"
