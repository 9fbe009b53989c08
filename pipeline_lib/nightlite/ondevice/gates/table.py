"""Table of the gates, one row each: the run parameter of the bound, and the measured quantity.

A new gate of EdgeValidator needs only a row in `EDGE`. Its run parameter, variable, form, documentation and judgement
are derived from it. The same holds for `EVALUATORS`. DataGate's executor computes the values for `DATA`. Run `make
docs` afterwards.

A row holds for one task or for each. Two tasks may have rows of one name, with another quantity behind it.
"""

from typing import TYPE_CHECKING

from nightlite.ondevice.gates.rows import OF_LABEL, SHARE, EdgeGate, GateRow, Threshold
from nightlite.ondevice.task import Kind

# Imported for types only, because every parse of the DAG imports this module.
if TYPE_CHECKING:
    from nightlite.ondevice.gates.measurements import CandidateMeasurements


def _latency_ratio(measured: "CandidateMeasurements") -> float | None:
    return measured.latency_ms.p50 / measured.baseline.latency_ms.p50 if measured.baseline else None


def _accuracy_drop(measured: "CandidateMeasurements") -> float | None:
    if measured.accuracy is None or measured.keras_accuracy is None:
        return None
    return measured.keras_accuracy - measured.accuracy


def _tfma_difference(measured: "CandidateMeasurements") -> float | None:
    if measured.accuracy is None or measured.tfma_accuracy is None:
        return None
    return abs(measured.tfma_accuracy - measured.accuracy)


def _tfma_error_difference(measured: "CandidateMeasurements") -> float | None:
    if measured.mean_error is None or measured.tfma_mean_error is None:
        return None
    return abs(measured.tfma_mean_error - measured.mean_error) / (measured.mean_error or 1)


_SHARES, _DIFFERENCES, _SIZES = (0, 1.01), (-1, 1), (-1, 1e6)
# In anyone's unit.
_ERRORS, _CHANGES = (-1, 1e12), (-1e12, 1e12)
_CLASSES: tuple[Kind, ...] = ("classification",)
_NUMBERS: tuple[Kind, ...] = ("regression",)
_ACCURACY, _LOSS, _MEAN_ERROR = "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "MeanAbsoluteError"
_AGREEMENT = "share of examples given the same class as by Keras"
_KERAS_CLASS = "share of examples given Keras's class; quantization"
_CHANGE = "change in accuracy; below 0: so much worse is admitted; no release yet: no such gate"
_ANOMALIES = "ExampleValidator's anomalies: missing or new features, wrong types, shapes, labels, not-a-numbers"
_CHANGES_OF = "labels of the train split that the last span that passed lacks, and labels of its that this one lacks"
_RAREST = "share of the rarest class in either split: data of one class makes a perfect model of no use"

# fmt: off
EVALUATORS: tuple[Threshold, ...] = (
    Threshold("min_accuracy", 0.97, _SHARES, SHARE, "accuracy", _ACCURACY, "lower_bound",
              tasks=_CLASSES),
    Threshold("min_class_accuracy", 0.9, _SHARES, SHARE, "accuracy of the worst class", _ACCURACY, "lower_bound",
              each_class=True, tasks=_CLASSES),
    Threshold("max_loss", 0.2, (0, 100), "", "loss", _LOSS, "upper_bound", about="mean cross-entropy",
              tasks=_CLASSES),
    Threshold("max_mean_error", None, _ERRORS, OF_LABEL, "mean absolute error", _MEAN_ERROR, "upper_bound",
              tasks=_NUMBERS),
)

CHANGES: tuple[Threshold, ...] = (
    Threshold("min_accuracy_change", -0.01, (-1, 1.01), SHARE, "accuracy less the last release's", _ACCURACY,
              "change", about=_CHANGE, tasks=_CLASSES),
    Threshold("max_mean_error_change", None, _CHANGES, OF_LABEL, "mean absolute error less the last release's",
              _MEAN_ERROR, "increase", about="increase of the mean absolute error; no release yet: no such gate",
              tasks=_NUMBERS),
)
CHANCE = GateRow("min_p_if_worse", 0.05, _SHARES, "", "p of its losses",
                 about="McNemar's exact p of losing more examples than it wins; 1 where it does not")
AGAINST_RELEASES: tuple[GateRow, ...] = (*CHANGES, CHANCE)

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
             about=f"{_KERAS_CLASS} none, float16", quantizations=("none", "float16"), tasks=_CLASSES),
    EdgeGate("min_quantized_agreement", 0.99, _SHARES, SHARE, f"{_AGREEMENT}, quantized",
             lambda found: found.keras_agreement,
             about=f"{_KERAS_CLASS} dynamic, int8", quantizations=("dynamic", "int8"), tasks=_CLASSES),
    EdgeGate("max_output_difference", 0.6, _DIFFERENCES, "", "largest difference of a probability from Keras's",
             lambda found: found.max_abs_difference, tasks=_CLASSES),
    EdgeGate("max_mean_output_difference", 0.005, _DIFFERENCES, "", "mean difference of the probabilities from Keras's",
             lambda found: found.mean_abs_difference, tasks=_CLASSES),
    EdgeGate("max_keras_accuracy_drop", 0.003, _DIFFERENCES, SHARE, "Keras's accuracy less the file's",
             _accuracy_drop, tasks=_CLASSES),
    EdgeGate("max_tfma_difference", 0.003, _DIFFERENCES, SHARE,
             "difference between TFMA's accuracy of the file and LiteRT's", _tfma_difference, tasks=_CLASSES),
    EdgeGate("max_p95_error", None, _ERRORS, OF_LABEL, "95th percentile of the absolute error",
             lambda found: found.p95_error, tasks=_NUMBERS),
    EdgeGate("max_output_difference", None, _ERRORS, OF_LABEL, "largest difference of an output from Keras's",
             lambda found: found.max_abs_difference, tasks=_NUMBERS),
    EdgeGate("max_mean_output_difference", None, _ERRORS, OF_LABEL, "mean difference of the outputs from Keras's",
             lambda found: found.mean_abs_difference, tasks=_NUMBERS),
    EdgeGate("max_tfma_difference", 0.003, _DIFFERENCES, SHARE,
             "difference between TFMA's mean error of the file and LiteRT's, as a share of LiteRT's",
             _tfma_error_difference, tasks=_NUMBERS),
)

ANOMALIES = GateRow("max_anomalies", 0, (-1, 1000), "", "anomalies in the data", about=_ANOMALIES)
RAREST_LABEL = GateRow("min_label_share", 0.01, _SHARES, SHARE, "share of the rarest label", about=_RAREST,
                       tasks=_CLASSES)
LABEL_DRIFT = GateRow("max_label_drift", 0.1, _DIFFERENCES, SHARE, "drift of the labels' shares",
                      about="change of any class's share since the last span that passed (L-infinity)", tasks=_CLASSES)
LABEL_CHANGES = GateRow("max_label_changes", 0, (-1, 1000), "", "labels that appeared or vanished", about=_CHANGES_OF,
                        tasks=_CLASSES)
NUMBER_DRIFT = GateRow("max_label_drift", 0.1, _DIFFERENCES, SHARE, "drift of the labels",
                       about="Jensen-Shannon divergence of the labels from those of the last span that passed",
                       tasks=_NUMBERS)
DATA: tuple[GateRow, ...] = (ANOMALIES, RAREST_LABEL, LABEL_CHANGES, LABEL_DRIFT, NUMBER_DRIFT)
# fmt: on

OF_MODELS: tuple[GateRow, ...] = (*EVALUATORS, *AGAINST_RELEASES, *EDGE)
SHARES = frozenset(row.name for row in (*OF_MODELS, *DATA) if row.unit == SHARE)
