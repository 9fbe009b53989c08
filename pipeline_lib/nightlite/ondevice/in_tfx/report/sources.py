"""Contents of a run's artifacts: TFMA's evaluations, TFDV's statistics and anomalies, training's scalars."""

import math
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from tensorflow_data_validation.utils import anomalies_util
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.example_gen.utils import SPAN_PROPERTY_NAME
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact

from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.in_tfx.artifact_types import SOURCES
from nightlite.ondevice.report.contents import Bucket, DataAnomaly, FeatureStatistics, SliceMetrics
from nightlite.ondevice.report.run_report import verdict
from nightlite.ondevice.results.quality import Quality, quality_in

# TFX's file names in each split's folder (stats_artifact_utils, example_validator.executor).
_STATISTICS_FILE = "FeatureStats.pb"
_ANOMALIES_FILE = "SchemaDiff.pb"
_PACKAGES = ("tfx", "tensorflow", "keras", "tensorflow-model-analysis", "apache-beam", "ai-edge-litert", "numpy")
_MOST_BUCKETS = 24


def split_folders(uri: str) -> dict[str, Path]:
    """Return an artifact's folders by the name of the split."""
    return {path.name.removeprefix("Split-"): path for path in sorted(Path(uri).glob("Split-*"))}


def evaluation(uri: str) -> tuple[SliceMetrics, ...]:
    """Return every scalar of an evaluation, the whole split first, then the slices by name.

    Metrics without a value (the precision of class 3 in the slice of class 5) are left out.
    """
    found = []
    for slice_key, outputs in tfma.load_eval_result(uri).slicing_metrics:
        values: dict[str, float] = {}
        for output, sub_keys in outputs.items():
            for sub_key, metrics in sub_keys.items():
                suffix = " ".join(filter(None, (output, sub_key)))
                values |= {
                    f"{name} ({suffix})" if suffix else name: float(value["doubleValue"])
                    for name, value in metrics.items()
                    if math.isfinite(float(value.get("doubleValue", "nan")))
                }
        name = ", ".join(f"{column} {value}" for column, value in slice_key)
        found.append(SliceMetrics(slice=name, metrics=dict(sorted(values.items()))))
    return tuple(sorted(found, key=lambda item: item.slice))


def overall_quality(slices: tuple[SliceMetrics, ...], unit: str) -> Quality:
    return quality_in(next((item.metrics for item in slices if not item.slice), {}), unit)


def of_any_run(
    context: base_executor.BaseExecutor.Context | None,
    judged: tuple[Gate, ...],
    examples: Artifact,
    statistics_uri: str,
    anomalies_uri: str,
) -> dict[str, Any]:
    """Return the fields of a `RunReport`, which every run's report has.

    Args:
      context: the executor's, which knows its run.
      examples: SpanExampleGen's, with their span and its source.
    """
    blessed, line = verdict(judged)
    features = statistics(statistics_uri)
    info = context.pipeline_info if context else None
    return {
        "pipeline": info.id if info else "",
        "run_id": (context.pipeline_run_id if context else None) or "",
        "created": datetime.now(UTC).replace(microsecond=0),
        "blessed": blessed,
        "verdict": line,
        "gates": judged,
        "span": examples.get_int_custom_property(SPAN_PROPERTY_NAME),
        "source": examples.get_string_custom_property(SOURCES),
        "examples": {feature.split: feature.examples for feature in features},
        "statistics": features,
        "anomalies": anomalies(anomalies_uri),
        "versions": versions(),
    }


def statistics(uri: str) -> tuple[FeatureStatistics, ...]:
    """Return TFX's statistics of every feature of every split."""
    return tuple(
        _feature(split, dataset.num_examples, feature)
        for split, folder in split_folders(uri).items()
        for dataset in tfdv.load_stats_binary(str(folder / _STATISTICS_FILE)).datasets
        for feature in dataset.features
    )


def _feature(split: str, examples: int, feature: Any) -> FeatureStatistics:
    kind = feature.WhichOneof("stats")
    stats = getattr(feature, kind)
    numbers: dict[str, Any] = {}
    if kind == "num_stats":
        numbers = {
            "mean": stats.mean,
            "std_dev": stats.std_dev,
            "minimum": stats.min,
            "median": stats.median,
            "maximum": stats.max,
            "zeros": stats.num_zeros,
        }
    return FeatureStatistics(
        split=split,
        name=".".join(feature.path.step) or feature.name,
        type=statistics_pb2.FeatureNameStatistics.Type.Name(feature.type).lower(),
        examples=examples,
        missing=stats.common_stats.num_missing,
        histogram=_histogram(kind, stats),
        **numbers,
    )


def _histogram(kind: str, stats: Any) -> tuple[Bucket, ...]:
    if kind == "string_stats":
        return tuple(
            Bucket(label=bucket.label, count=bucket.sample_count)
            for bucket in stats.rank_histogram.buckets[:_MOST_BUCKETS]
        )
    histograms = getattr(stats, "histograms", ())
    standard = statistics_pb2.Histogram.STANDARD
    buckets = next((item.buckets for item in histograms if item.type == standard), ())
    return tuple(
        Bucket(label=f"{bucket.low_value:.3g} to {bucket.high_value:.3g}", count=bucket.sample_count)
        for bucket in buckets
    )


def anomalies(uri: str) -> tuple[DataAnomaly, ...]:
    """Return ExampleValidator's findings."""
    found = []
    for split, folder in split_folders(uri).items():
        content = anomalies_util.load_anomalies_binary(str(folder / _ANOMALIES_FILE))
        items = dict(content.anomaly_info)
        if content.HasField("dataset_anomaly_info"):
            items["the whole split"] = content.dataset_anomaly_info
        for feature, info in sorted(items.items()):
            found.append(
                DataAnomaly(split=split, feature=feature, summary=info.short_description, description=info.description)
            )
    return tuple(found)


def training_curves(uri: str) -> dict[str, tuple[float, ...]]:
    """Return the Trainer's scalars for TensorBoard: one value per step, by tag."""
    values: dict[str, dict[int, float]] = {}
    for file in sorted(Path(uri).rglob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.HasField("tensor") and (number := tf.make_ndarray(value.tensor)).ndim == 0:
                    values.setdefault(value.tag, {})[event.step] = float(number)
    return {tag: tuple(steps[step] for step in sorted(steps)) for tag, steps in sorted(values.items())}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that train, convert and measure."""
    return {"python": platform.python_version(), **{package: version(package) for package in _PACKAGES}}
