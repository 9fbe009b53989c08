"""Report of a run: the figures of its page, which `report.json` holds beside it.

`in_tfx/report/` writes it, `in_airflow/pages/app.py` serves it in Airflow's UI, and later runs read it for their
history. Accuracies and other shares are in [0, 1]. A name that ends in `_ms` is in milliseconds.
"""

from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from nightlite import durable
from nightlite.ondevice.approval import Approval
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.outcome import Outcome
from nightlite.ondevice.report_files import REPORT_JSON

ModelKey = Literal["keras", "tflite", "released"]


class _Figures(BaseModel):
    # As strings, so that NaN and infinity survive. JSON would turn them into null.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class EdgeFigures(_Figures):
    """Figures of one file in EdgeValidator's `edge.json`, from the machine that ran the pipeline.

    The rest is ignored.
    """

    load_ms: float | None = None
    latency_ms: dict[str, float] = {}
    threads: int | None = None
    peak_memory_mib: float | None = None
    quantization: str | None = None
    baseline: "EdgeFigures | None" = None


class ModelColumn(_Figures):
    """One model over the eval split, in the runtime that serves it.

    `confusion[label][prediction]` counts examples. `class_accuracy[label]` is None if the split has none of them.
    `loss` is the mean cross-entropy in nats. `tfma_accuracy` is the Evaluator's, None without an evaluation.
    """

    key: ModelKey
    title: str
    accuracy: float
    loss: float
    class_accuracy: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]
    size_bytes: int
    tfma_accuracy: float | None = None
    edge: EdgeFigures | None = None

    @property
    def worst_class(self) -> tuple[int, float]:
        """Return the class recognised least often, and its share."""
        return min(
            ((label, share) for label, share in enumerate(self.class_accuracy) if share is not None),
            key=lambda item: item[1],
        )


class Agreement(_Figures):
    """TFLite against Keras, example by example.

    `largest_difference` and `mean_difference` are absolute, over all probabilities. `counts[i]` examples have their
    largest difference in [10**edges[i], 10**edges[i + 1]). Those below the first edge are counted in the first.
    """

    examples: int
    agreeing: int
    largest_difference: float
    mean_difference: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def share(self) -> float:
        return self.agreeing / self.examples


class Mistake(_Figures):
    """An image on which the two models disagree, or which neither recognises. `png` is base64."""

    index: int
    label: int
    kind: Literal["disagree", "both err"]
    probabilities: dict[ModelKey, tuple[float, ...]]
    png: str


class Mistakes(_Figures):
    """Number of the mistakes, and the first ones to look at."""

    disagreements: int
    both_err: int
    shown: tuple[Mistake, ...]


class Bucket(_Figures):
    """One bar of a histogram: its label and its count."""

    label: str
    count: float


class FeatureStatistics(_Figures):
    """One feature of one split, from TFX's statistics, with the numbers that TFDV computed."""

    split: str
    name: str
    type: str
    examples: int
    missing: int
    mean: float | None = None
    std_dev: float | None = None
    minimum: float | None = None
    median: float | None = None
    maximum: float | None = None
    zeros: int | None = None
    histogram: tuple[Bucket, ...] = ()


class DataAnomaly(_Figures):
    """One finding of ExampleValidator."""

    split: str
    feature: str
    summary: str
    description: str


class SliceMetrics(_Figures):
    """TFMA's metrics of one slice of one evaluation. "" is the whole split."""

    slice: str
    metrics: dict[str, float]


class PastRun(_Figures):
    """A run in a later run's history. `eval_set` identifies the examples on which its models were compared."""

    run_id: str
    created: datetime
    span: int | None = None
    window: int = 1
    eval_set: str = ""
    keras_accuracy: float | None = None
    tflite_accuracy: float | None = None
    size_bytes: int | None = None
    latency_p50_ms: float | None = None
    blessed: bool | None = None

    @property
    def data(self) -> str:
        """Return the spans of the run in words."""
        span = "unknown span" if self.span is None else f"span {self.span}"
        return span if self.window == 1 else f"{span}, window {self.window}"


class RunOutcome(_Figures):
    """The end of a run. `headline` is its one line. `release` is the version that it made."""

    outcome: Outcome
    headline: str
    run_id: str
    release: int | None = None
    approval: Approval | None = None


class RunReport(_Figures):
    """One run, judged, and its data. `blessed` is None if it had no gates. `verdict` is one line.

    `outcome` is None before the push. Its run differs from `run_id` if the figures were answered from cache.
    """

    schema_version: Literal[1] = 1
    pipeline: str
    run_id: str
    created: datetime
    blessed: bool | None
    verdict: str
    gates: tuple[Gate, ...]
    span: int | None
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

    models: tuple[ModelColumn, ...]
    agreement: Agreement
    mistakes: Mistakes
    training: dict[str, tuple[float, ...]]
    evaluations: dict[ModelKey, tuple[SliceMetrics, ...]]
    parameters: dict[str, bool | int | float | str] = {}
    eval_set: str = ""
    history: tuple[PastRun, ...] = ()

    def model(self, key: ModelKey) -> ModelColumn | None:
        return next((column for column in self.models if column.key == key), None)

    @property
    def refused(self) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if not gate.passed)

    def as_past_run(self) -> PastRun:
        keras, tflite = self.model("keras"), self.model("tflite")
        edge = tflite.edge if tflite else None
        return PastRun(
            run_id=self.run_id,
            created=self.created,
            span=self.span,
            window=int(self.parameters.get("window", 1)),
            eval_set=self.eval_set,
            keras_accuracy=keras.accuracy if keras else None,
            tflite_accuracy=tflite.accuracy if tflite else None,
            size_bytes=tflite.size_bytes if tflite else None,
            latency_p50_ms=edge.latency_ms.get("p50") if edge else None,
            blessed=self.blessed,
        )


def verdict(gates: tuple[Gate, ...]) -> tuple[bool | None, str]:
    """Return whether all gates passed (None without gates), and a line that says so."""
    if not gates:
        return None, "Not judged: this run had no gates"
    refused = [gate for gate in gates if not gate.passed]
    if not refused:
        return True, f"Blessed: all {len(gates)} gates passed"
    others = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
    return False, f"Refused by {len(refused)} of {len(gates)} gates: {refused[0]}{others}"
