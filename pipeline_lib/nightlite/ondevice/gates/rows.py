"""Rows of the table of gates: a bound as a run parameter, and its judgement of a value."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from nightlite.ondevice.task import Kind as TaskKind
from nightlite.ondevice.task import Task

# Imported for types only, because every parse of the DAG imports this module.
if TYPE_CHECKING:
    from nightlite.ondevice.gates.gate import Gate
    from nightlite.ondevice.gates.measurements import CandidateMeasurements

SHARE = "share"
# The unit of the label. `rows_of` puts the task's own in its place.
OF_LABEL = "of the label"
Kind = Literal["lower_bound", "upper_bound", "change", "increase"]


@dataclass(frozen=True)
class GateRow:
    """One gate.

    Attributes:
      name: the run parameter of the bound. `min_` or `max_` is the kind of bound.
      default: the bound unless a run sets another. Its type is the run parameter's. None: a model must declare it.
      allowed: the least and the largest bound. The stricter of them refuses every model.
      unit: of bound and value. A share is a number in [0, 1], shown in percent.
      subject: the measured quantity, in the words of a refusal.
      about: the measured quantity, for form and documentation. Default: `subject`.
      tasks: the kinds of task that it holds for.
    """

    name: str
    default: float | None
    allowed: tuple[float, float]
    unit: str
    subject: str
    about: str = field(default="", kw_only=True)
    tasks: tuple[TaskKind, ...] = field(default=("classification", "regression"), kw_only=True)

    @property
    def is_least(self) -> bool:
        """Return whether the bound is the least value that passes."""
        return self.name.startswith("min_")

    @property
    def type(self) -> type[int] | type[float]:
        """Return the type of the run parameter."""
        return int if isinstance(self.default, int) else float

    def parameter(self, section: str, default: float) -> Any:
        """Return the run parameter as a pydantic field, in a section of Airflow's trigger form.

        Args:
          default: the model's own, else the row's.
        """
        least, most = self.allowed
        what = self.about or self.subject
        unit = f", in {self.unit}" if self.unit not in ("", SHARE) else ""
        return Field(
            default=self.type(default),
            ge=least,
            le=most,
            title=f"{'At least' if self.is_least else 'At most'}: {self.subject}",
            description=f"{what[0].upper()}{what[1:]}{unit}; {most if self.is_least else least:g} refuses everything",
            json_schema_extra={"section": section},
        )

    def judge(self, bounds: Mapping[str, Any], value: float | None, node_id: str, subject: str = "") -> "Gate":
        """Return the gate with its value, passed or not. A value that could not be measured fails.

        Args:
          bounds: by the names of the rows.
          value: the measured value.
          node_id: the node that judges.
          subject: more exact words than the row's.
        """
        from nightlite.ondevice.gates.gate import Gate

        bound = float(bounds[self.name])
        return Gate(
            name=self.name,
            node_id=node_id,
            subject=subject or self.subject,
            relation=">=" if self.is_least else "<=",
            bound=bound,
            value=value,
            unit="" if self.unit == SHARE else self.unit,
            passed=value is not None and (value >= bound if self.is_least else value <= bound),
        )


@dataclass(frozen=True)
class Threshold(GateRow):
    """A bound of a TFMA metric, judged by the Evaluators.

    `metric` is the metric's class. If `each_class` is set, it holds for the slice of each class, else for all
    examples. A `change` bounds the least difference from the baseline, an `increase` the largest.
    """

    metric: str
    kind: Kind
    each_class: bool = field(default=False, kw_only=True)

    @property
    def is_least(self) -> bool:
        """Return whether the bound is the least value that passes. Another pipeline's threshold may have any name."""
        return self.kind in ("lower_bound", "change")

    @property
    def is_change(self) -> bool:
        """Return whether it bounds the difference from the baseline."""
        return self.kind in ("change", "increase")


@dataclass(frozen=True)
class EdgeGate(GateRow):
    """A bound on LiteRT's results with the file, judged by EdgeValidator.

    `measure` returns None if there is no value. The gate applies to the `quantizations`. If `compares` is set, the
    gate exists only with a last release.
    """

    measure: "Callable[[CandidateMeasurements], float | None]"
    quantizations: tuple[str, ...] = field(default=("none", "float16", "dynamic", "int8"), kw_only=True)
    compares: bool = field(default=False, kw_only=True)


Row = TypeVar("Row", bound=GateRow)


def rows_of(rows: Iterable[Row], task: Task) -> tuple[Row, ...]:
    """Return the rows that hold for a task, in its unit."""
    return tuple(
        replace(row, unit=task.unit) if row.unit == OF_LABEL else row for row in rows if task.kind in row.tasks
    )
