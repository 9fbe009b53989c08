"""Table of the gates, one row each: the run parameter of the bound, and the measured quantity.

A new gate of EdgeValidator needs only a row in `EDGE`. Its run parameter, variable, form, documentation and judgement
are derived from it. The same holds for `EVALUATORS`. DataGate's executor computes the values for `DATA`. Run `make
docs` afterwards.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

# Imported for types only, because every parse of the DAG imports this module.
if TYPE_CHECKING:
    from nightlite.ondevice.gates.gate import Gate
    from nightlite.ondevice.gates.measurements import CandidateMeasurements

SHARE = "share"
Kind = Literal["lower_bound", "upper_bound", "change"]


@dataclass(frozen=True)
class GateRow:
    """One gate.

    Attributes:
      name: the run parameter of the bound. `min_` or `max_` is the kind of bound.
      default: the bound unless a run sets another. Its type is the run parameter's.
      allowed: the least and the largest bound. The stricter of them refuses every model.
      unit: of bound and value. A share is a number in [0, 1], shown in percent.
      subject: the measured quantity, in the words of a refusal.
      about: the measured quantity, for form and documentation. Default: `subject`.
    """

    name: str
    default: float
    allowed: tuple[float, float]
    unit: str
    subject: str
    about: str = field(default="", kw_only=True)

    @property
    def is_least(self) -> bool:
        """Return whether the bound is the least value that passes."""
        return self.name.startswith("min_")

    def parameter(self, section: str, default: float | None = None) -> Any:
        """Return the run parameter as a pydantic field, in a section of Airflow's trigger form.

        Args:
          default: a model's own instead of the row's.
        """
        least, most = self.allowed
        what = self.about or self.subject
        unit = f", in {self.unit}" if self.unit not in ("", SHARE) else ""
        return Field(
            default=self.default if default is None else type(self.default)(default),
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
    examples. A `change` bounds the least difference from the baseline.
    """

    metric: str
    kind: Kind
    each_class: bool = field(default=False, kw_only=True)

    @property
    def is_least(self) -> bool:
        """Return whether the bound is the least value that passes. Another pipeline's threshold may have any name."""
        return self.kind != "upper_bound"


@dataclass(frozen=True)
class EdgeGate(GateRow):
    """A bound on LiteRT's results with the file, judged by EdgeValidator.

    `measure` returns None if there is no value. The gate applies to the `quantizations`. If `compares` is set, the
    gate exists only with a last release.
    """

    measure: "Callable[[CandidateMeasurements], float | None]"
    quantizations: tuple[str, ...] = field(default=("none", "float16", "dynamic", "int8"), kw_only=True)
    compares: bool = field(default=False, kw_only=True)


def _latency_ratio(measured: "CandidateMeasurements") -> float | None:
    return measured.latency_ms.p50 / measured.baseline.latency_ms.p50 if measured.baseline else None


def _tfma_difference(measured: "CandidateMeasurements") -> float | None:
    return None if measured.tfma_accuracy is None else abs(measured.tfma_accuracy - measured.accuracy)


_SHARES, _DIFFERENCES, _SIZES = (0, 1.01), (-1, 1), (-1, 1e6)
_ACCURACY, _LOSS = "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy"
_AGREEMENT = "share of examples given the same class as by Keras"
_KERAS_CLASS = "share of examples given Keras's class; quantization"
_CHANGE = "change in accuracy; below 0: so much worse is admitted; no release yet: no such gate"
_ANOMALIES = "ExampleValidator's anomalies: missing or new features, wrong types, shapes, labels, not-a-numbers"
_RAREST = "share of the rarest class in either split: data of one class makes a perfect model of no use"

# fmt: off
EVALUATORS: tuple[Threshold, ...] = (
    Threshold("min_accuracy", 0.97, _SHARES, SHARE, "accuracy", _ACCURACY, "lower_bound"),
    Threshold("min_class_accuracy", 0.9, _SHARES, SHARE, "accuracy of the worst class", _ACCURACY, "lower_bound",
              each_class=True),
    Threshold("max_loss", 0.2, (0, 100), "", "loss", _LOSS, "upper_bound", about="mean cross-entropy"),
)

CHANGE = Threshold("min_accuracy_change", -0.01, (-1, 1.01), SHARE, "accuracy less the last release's", _ACCURACY,
                   "change", about=_CHANGE)
CHANCE = GateRow("min_p_if_worse", 0.05, _SHARES, "", "p of its losses",
                 about="McNemar's exact p of losing more examples than it wins; 1 where it does not")
AGAINST_RELEASES: tuple[GateRow, ...] = (CHANGE, CHANCE)

EDGE: tuple[EdgeGate, ...] = (
    EdgeGate("max_size_kib", 300.0, _SIZES, "KiB", "size of the file", lambda found: found.size_bytes / 1024),
    EdgeGate("max_load_ms", 200.0, _SIZES, "ms", "time to load the file", lambda found: found.load_ms),
    EdgeGate("max_latency_ms", 20.0, _SIZES, "ms", "95th percentile of latency", lambda found: found.latency_ms.p95,
             about="95th percentile of the latency of one example"),
    EdgeGate("max_latency_ratio", 1.5, _SIZES, "", "median latency over the last release's", _latency_ratio,
             about="median latency over the last release's, both measured in turn", compares=True),
    EdgeGate("max_memory_mib", 64.0, _SIZES, "MiB", "peak memory of the file in use",
             lambda found: found.peak_memory_mib, about="peak memory that the file in use adds"),
    EdgeGate("min_keras_agreement", 0.999, _SHARES, SHARE, _AGREEMENT, lambda found: found.keras_agreement,
             about=f"{_KERAS_CLASS} none, float16", quantizations=("none", "float16")),
    EdgeGate("min_quantized_agreement", 0.99, _SHARES, SHARE, f"{_AGREEMENT}, quantized",
             lambda found: found.keras_agreement,
             about=f"{_KERAS_CLASS} dynamic, int8", quantizations=("dynamic", "int8")),
    EdgeGate("max_output_difference", 0.6, _DIFFERENCES, "", "largest difference of a probability from Keras's",
             lambda found: found.max_abs_difference),
    EdgeGate("max_mean_output_difference", 0.005, _DIFFERENCES, "", "mean difference of the probabilities from Keras's",
             lambda found: found.mean_abs_difference),
    EdgeGate("max_keras_accuracy_drop", 0.003, _DIFFERENCES, SHARE, "Keras's accuracy less the file's",
             lambda found: found.keras_accuracy - found.accuracy),
    EdgeGate("max_tfma_difference", 0.003, _DIFFERENCES, SHARE,
             "difference between TFMA's accuracy of the file and LiteRT's", _tfma_difference),
)

ANOMALIES = GateRow("max_anomalies", 0, (-1, 1000), "", "anomalies in the data", about=_ANOMALIES)
RAREST_LABEL = GateRow("min_label_share", 0.01, _SHARES, SHARE, "share of the rarest label", about=_RAREST)
LABEL_DRIFT = GateRow("max_label_drift", 0.1, _DIFFERENCES, SHARE, "drift of the labels' shares",
                      about="change of any class's share since the last span that passed (L-infinity)")
DATA: tuple[GateRow, ...] = (ANOMALIES, RAREST_LABEL, LABEL_DRIFT)
# fmt: on

OF_MODELS: tuple[GateRow, ...] = (*EVALUATORS, *AGAINST_RELEASES, *EDGE)
SHARES = frozenset(row.name for row in (*OF_MODELS, *DATA) if row.unit == SHARE)
