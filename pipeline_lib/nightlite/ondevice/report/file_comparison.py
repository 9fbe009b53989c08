"""Comparison of two files of a model, as figures. `in_tfx/compare/` makes it, a page and tables show it."""

from datetime import datetime
from typing import Literal

from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.paired import Comparison, chance_below
from nightlite.ondevice.model import ModelCard
from nightlite.ondevice.report.contents import Mistake, ModelKey, ReportPart
from nightlite.ondevice.results.percent import figure, points, share_of, size

Letter = Literal["A", "B"]
# Unit of a figure that is a share in [0, 1].
SHARE = "share"
# By which pages colour A's and B's answers.
KEYS: tuple[ModelKey, ModelKey] = ("released", "tflite")


class ComparedFile(ReportPart):
    """One of the two files. `data` names its spans. `parameters` are those of its run that differ from the other's."""

    title: str
    run_id: str
    created: datetime
    sha256: str
    data: str
    quantization: str
    refusals: tuple[str, ...]
    parameters: dict[str, bool | int | float | str]


class FigurePair(ReportPart):
    """One figure of both files. None: there is none, or it is not finite."""

    name: str
    unit: str
    a: float | None
    b: float | None

    @property
    def texts(self) -> tuple[str, str, str]:
        """Return A's figure, B's and the change from A to B, for readers."""
        change = ""
        if self.a is not None and self.b is not None:
            difference = self.b - self.a
            if self.unit == SHARE:
                change = points(difference)
            elif self.a:
                change = f"{100 * difference / abs(self.a):+.1f} %"
        return self._text(self.a), self._text(self.b), change

    def _text(self, value: float | None) -> str:
        if self.unit == SHARE:
            return share_of(value)
        return size(None if value is None else int(value)) if self.unit == "bytes" else figure(value, self.unit)


class GatePair(ReportPart):
    """One gate, as each file's own run judged it. None: that run had no such gate."""

    subject: str
    name: str
    node_id: str
    a: Gate | None
    b: Gate | None

    @property
    def passed_by_both(self) -> bool:
        """Return whether both runs had it, and passed it."""
        return bool(self.a and self.b and self.a.passed and self.b.passed)


class ClassPair(ReportPart):
    """One class: its examples, and the share of them that each file recognises."""

    label: str
    examples: int
    a: float
    b: float

    @property
    def change(self) -> float:
        """Return B's share less A's."""
        return self.b - self.a


class FileComparison(ReportPart):
    """Two files on the eval split of the newer one.

    `paired` is B against A. `differing` counts the examples to which they give different classes, None in a regression.
    `shown` has the examples with the largest differences, A's answers and B's by `KEYS`. `note` is a doubt about the
    data, or "".
    """

    schema_version: Literal[1] = 1
    model: str
    card: ModelCard
    a: ComparedFile
    b: ComparedFile
    newer: Letter
    data: str
    examples: int
    verdict: str
    note: str = ""
    paired: Comparison
    figures: tuple[FigurePair, ...]
    classes: tuple[ClassPair, ...]
    gates: tuple[GatePair, ...]
    differing: int | None
    shown: tuple[Mistake, ...]

    @property
    def files(self) -> tuple[ComparedFile, ComparedFile]:
        """Return A and B."""
        return self.a, self.b

    def differ(self, shown: int) -> str:
        """Return the number of the examples on which they differ, and of the shown ones, in words."""
        if self.differing is None:
            return f"the {shown} of {self.examples:,} with the largest differences"
        first = f", the {shown} with the largest differences" if shown < self.differing else ""
        return f"{self.differing:,} of {self.examples:,}{first}" if self.differing else f"none of {self.examples:,}"

    @property
    def compared_on(self) -> str:
        """Return the examples in words, and the size of a difference in accuracy that they cannot tell from none."""
        told = f"{self.examples:,} {self.card.words.many} of the eval split of {self.newer}, {self.data}"
        if not self.card.labels:
            return told
        return f"{told}; differences in accuracy under {100 * chance_below(self.examples):.2g} points are chance"


def verdict(found: Comparison, same_file: bool) -> str:
    """Return the result of the paired test of B against A in words."""
    if same_file:
        return "A and B are the very same file"
    if found.better or found.worse:
        return f"B is detectably {'better' if found.better else 'worse'} than A: {found} (p = {found.p:.2g})"
    return f"No detectable difference: B has {found} (p = {found.p:.2g})"
