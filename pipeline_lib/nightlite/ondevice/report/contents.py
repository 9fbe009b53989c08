"""Parts of a run's report: its models, their comparison and its data.

Accuracies and other shares are in [0, 1]. A name that ends in `_ms` is in milliseconds.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.gates.paired import chance_below
from nightlite.ondevice.results.quality import Quality

ModelKey = Literal["keras", "tflite", "released"]
MistakeKind = Literal["disagree", "both err", "large error"]


class ReportPart(BaseModel):
    """A part of the report that keeps NaN and infinity."""

    # As strings: JSON would turn them into null.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class ReportedMeasurements(ReportPart):
    """Measurements of one file in EdgeValidator's `measurements.json`, from the machine that ran the pipeline.

    The rest is ignored.
    """

    load_ms: float | None = None
    latency_ms: dict[str, float] = {}
    threads: int | None = None
    peak_memory_mib: float | None = None
    fully_accelerated: bool | None = None
    quantization: str | None = None
    baseline: "ReportedMeasurements | None" = None


class ModelFigures(Quality, ReportPart):
    """One model's figures over the eval split.

    Of a classification: `confusion[label][prediction]` counts examples. `class_accuracy[label]` is None if the split
    has none of them. `loss` is the mean cross-entropy in nats.

    Of a regression: `error_counts[i]` examples have their error, prediction less label, in [error_edges[i],
    error_edges[i + 1]), the last with its end. `points` are label and prediction of the examples. If they were drawn at
    random, `points_drawn_of` is the number of all examples.
    """

    loss: float | None = None
    class_accuracy: tuple[float | None, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    p95_error: float | None = None
    bias: float | None = None
    error_edges: tuple[float, ...] = ()
    error_counts: tuple[int, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    points_drawn_of: int | None = None

    @property
    def worst_class(self) -> tuple[int, float]:
        """Return the class recognised least often, and its share."""
        return min(
            ((label, share) for label, share in enumerate(self.class_accuracy) if share is not None),
            key=lambda item: item[1],
        )


class ModelColumn(ModelFigures):
    """One model over the eval split, in the runtime that serves it.

    `tfma` is the Evaluator's quality, empty without an evaluation.
    """

    key: ModelKey
    title: str
    size_bytes: int
    tfma: Quality = Quality()
    measurements: ReportedMeasurements | None = None

    @property
    def tfma_disagrees(self) -> bool:
        """Return whether the Evaluator found another quality, beyond rounding and what is shown."""
        found, tfmas = self.figure, self.tfma.figure
        rounding = 1e-5 if self.mean_error is None else 1e-3 * self.mean_error
        return bool(found and tfmas and abs(tfmas.value - found.value) > rounding)


class Agreement(ReportPart):
    """TFLite against Keras, example by example.

    `agreeing` have the same class; None in a regression. `largest_difference` and `mean_difference` are absolute, over
    all outputs. `counts[i]` examples have their largest difference in [10**edges[i], 10**edges[i + 1]). Those below
    the first edge are counted in the first.
    """

    examples: int
    agreeing: int | None
    largest_difference: float
    mean_difference: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def chance_below(self) -> float:
        """Return the difference in accuracy below which two models are not told apart on so many examples."""
        return chance_below(self.examples)

    @property
    def share(self) -> float | None:
        return None if self.agreeing is None else self.agreeing / self.examples


class Mistake(ReportPart):
    """An example on which the two models disagree, which neither recognises, or with a large error.

    `probabilities` of a regression are its one number. `png` is base64, "" if the model's examples are no pictures.
    A `grey` one has no colours. `values` are the other features', by their names.
    """

    index: int
    label: int | float
    kind: MistakeKind
    probabilities: dict[ModelKey, tuple[float, ...]]
    png: str = ""
    grey: bool = True
    values: dict[str, tuple[float, ...]] = {}


class Mistakes(ReportPart):
    """Number of the mistakes of a classification, and the first ones to look at."""

    disagreements: int
    both_err: int
    shown: tuple[Mistake, ...]


class Bucket(ReportPart):
    """One bar of a histogram: its label and its count."""

    label: str
    count: float


class FeatureStatistics(ReportPart):
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


class DataAnomaly(ReportPart):
    """One finding of ExampleValidator."""

    split: str
    feature: str
    summary: str
    description: str


class SliceMetrics(ReportPart):
    """TFMA's metrics of one slice of one evaluation. "" is the whole split."""

    slice: str
    metrics: dict[str, float]


def spans_in_words(span: int | None, window: int = 1) -> str:
    """Return the spans that a run read, such as "span 3, window 7"."""
    last = "unknown span" if span is None else f"span {span}"
    return last if window == 1 else f"{last}, window {window}"
