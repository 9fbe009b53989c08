"""Report of a run: its page's contents, which `report.json` holds beside it.

`in_tfx/report/` writes it, `in_airflow/pages/app.py` serves it in Airflow's UI, and later runs read it for their
history.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from nightlite import durable
from nightlite.ondevice.approval import Approval
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.model import ModelCard
from nightlite.ondevice.report.contents import (
    Agreement,
    DataAnomaly,
    FeatureStatistics,
    Mistakes,
    ModelColumn,
    ModelKey,
    ReportPart,
    SliceMetrics,
    spans_in_words,
)
from nightlite.ondevice.report_files import REPORT_JSON
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.quality import Quality


class PastRun(ReportPart):
    """A run in a later run's history. `eval_set` identifies the examples on which its models were compared.

    `keras` and `tflite` are the models' accuracies, or mean errors.
    """

    run_id: str
    created: datetime
    span: int | None = None
    window: int = 1
    eval_set: str = ""
    keras: float | None = None
    tflite: float | None = None
    size_bytes: int | None = None
    latency_p50_ms: float | None = None
    blessed: bool | None = None

    @property
    def data(self) -> str:
        """Return the spans of the run in words."""
        return spans_in_words(self.span, self.window)


class RunOutcome(ReportPart):
    """The end of a run. `headline` is its one line. `release` is the version that it made."""

    outcome: Outcome
    headline: str
    run_id: str
    release: int | None = None
    approval: Approval | None = None


class RunReport(ReportPart):
    """One run, judged, and its data. `blessed` is None if it had no gates. `verdict` is one line.

    `source` is the spans' own. `outcome` is None before the push. Its run differs from `run_id` if the figures were
    answered from cache.
    """

    schema_version: Literal[1] = 1
    pipeline: str
    run_id: str
    created: datetime
    blessed: bool | None
    verdict: str
    gates: tuple[Gate, ...]
    span: int | None
    source: str = ""
    examples: dict[str, int]
    statistics: tuple[FeatureStatistics, ...]
    anomalies: tuple[DataAnomaly, ...]
    versions: dict[str, str]
    outcome: RunOutcome | None = None

    def write(self, folder: Path) -> None:
        """Write `report.json` whole or not at all: another run may read its history at any moment."""
        durable.write(folder / REPORT_JSON, self.model_dump_json(indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder's `report.json`.

        Raises:
          OSError: there is none.
          ValueError: it is not a report of this version.
        """
        return cls.model_validate_json((folder / REPORT_JSON).read_text(encoding="utf-8"))


class Report(RunReport):
    """A run that reached its evaluations.

    `eval_set` is a hash of the eval split's examples. `training` holds one value per epoch by the name of the
    quantity. `parameters` are the run's, each default included. `history` ends with this run.
    """

    card: ModelCard
    models: tuple[ModelColumn, ...]
    agreement: Agreement
    mistakes: Mistakes
    training: dict[str, tuple[float, ...]]
    evaluations: dict[ModelKey, tuple[SliceMetrics, ...]]
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict)
    eval_set: str = ""
    history: tuple[PastRun, ...] = ()

    @field_validator("card", mode="before")
    @classmethod
    def _labels_before_tasks(cls, card: Any) -> Any:
        """Return a card of a version whose models were all classifications as one of this version."""
        if isinstance(card, dict) and "labels" in card:
            return {name: card[name] for name in card if name != "labels"} | {
                "task": {"kind": "classification", "labels": card["labels"]}
            }
        return card

    @property
    def quality(self) -> Quality:
        """Return the file's."""
        return self.model("tflite") or Quality(unit=self.card.task.unit)

    def model(self, key: ModelKey) -> ModelColumn | None:
        return next((column for column in self.models if column.key == key), None)

    @property
    def refused(self) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if not gate.passed)

    def as_past_run(self) -> PastRun:
        keras, tflite = self.model("keras"), self.model("tflite")
        measurements = tflite.measurements if tflite else None
        return PastRun(
            run_id=self.run_id,
            created=self.created,
            span=self.span,
            window=int(self.parameters.get("window", 1)),
            eval_set=self.eval_set,
            keras=_value(keras),
            tflite=_value(tflite),
            size_bytes=tflite.size_bytes if tflite else None,
            latency_p50_ms=measurements.latency_ms.get("p50") if measurements else None,
            blessed=self.blessed,
        )


def _value(quality: Quality | None) -> float | None:
    return quality.figure.value if quality and quality.figure else None


def verdict(gates: tuple[Gate, ...]) -> tuple[bool | None, str]:
    """Return whether all gates passed (None without gates), and a line that says so."""
    if not gates:
        return None, "Not judged: this run had no gates"
    refused = [gate for gate in gates if not gate.passed]
    if not refused:
        return True, f"Blessed: all {len(gates)} gates passed"
    others = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
    return False, f"Refused by {len(refused)} of {len(gates)} gates: {refused[0]}{others}"
