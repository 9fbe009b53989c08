"""Curated schema: the work of `nightlite schema infer`, `diff` and `accept`.

Upstream: none filed for the shapes that TFDV's own update leaves out. For TFDV 1.21.
"""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from nightlite import durable
from nightlite.errors import DataError
from nightlite.ondevice.spans import latest_span, no_span

_SPLITS = ("train", "eval")


@dataclasses.dataclass(frozen=True)
class SpanStatistics:
    """TFDV's statistics of one span, split by split."""

    name: str
    by_split: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList]


def latest_statistics(data_dir: Path) -> SpanStatistics:
    """Return the statistics of the latest span, which takes seconds.

    Raises:
      DataError: there is no span yet, or it cannot be read.
    """
    span = latest_span(data_dir)
    if span is None:
        raise no_span(data_dir)
    found = {split: tfdv.generate_statistics_from_tfrecord(str(span.path / f"{split}-*")) for split in _SPLITS}
    return SpanStatistics(span.path.name, found)


def infer(span: SpanStatistics) -> schema_pb2.Schema:
    """Return a schema of the span's training split, with the ranges of the numbers of all splits.

    A feature may be not-a-number, which is a missing value, if it is so anywhere in the span.
    """
    schema = tfdv.infer_schema(span.by_split["train"], infer_feature_shape=True)
    for feature in schema.feature:
        found = [numbers for name, numbers in _numbers(span) if name == feature.name]
        if not found:
            continue
        low, high = min(numbers.min for numbers in found), max(numbers.max for numbers in found)
        if feature.type == schema_pb2.FeatureType.INT:
            feature.int_domain.min, feature.int_domain.max = int(low), int(high)
        else:
            feature.float_domain.min, feature.float_domain.max = low, high
            feature.float_domain.disallow_inf = True
            missing = any(histogram.num_nan for numbers in found for histogram in numbers.histograms)
            feature.float_domain.disallow_nan = not missing
    return schema


def _numbers(span: SpanStatistics) -> Iterator[tuple[str, statistics_pb2.NumericStatistics]]:
    for statistics in span.by_split.values():
        for feature in statistics.datasets[0].features:
            if feature.HasField("num_stats"):
                yield feature.path.step[0], feature.num_stats


def proposed(schema_file: Path, span: SpanStatistics) -> schema_pb2.Schema:
    """Return the curated schema, widened to the span. Without one, return the inferred schema.

    Raises:
      DataError: the schema file cannot be read.
    """
    inferred, curated = infer(span), read(schema_file)
    if curated is None:
        return inferred
    schema = _with_features_of(inferred, curated)
    for statistics in span.by_split.values():
        schema = tfdv.update_schema(schema, statistics, infer_feature_shape=True)
    return schema


def _with_features_of(inferred: schema_pb2.Schema, curated: schema_pb2.Schema) -> schema_pb2.Schema:
    """Add new features and those of another type or shape, and remove those that the span no longer has.

    TFDV would add them without shapes, which Transform reads as sparse tensors, and keep the old ones as
    DEPRECATED.
    """
    found = {feature.name: feature for feature in inferred.feature}
    kept = [feature for feature in curated.feature if _stays(feature, found.get(feature.name))]
    names = {feature.name for feature in kept}
    taken = [feature for feature in inferred.feature if feature.name not in names]
    domains = {feature.domain for feature in taken}
    schema = schema_pb2.Schema()
    schema.CopyFrom(curated)
    del schema.feature[:], schema.string_domain[:]
    schema.feature.extend([*kept, *taken])
    schema.string_domain.extend(domain for domain in curated.string_domain if domain.name not in domains)
    schema.string_domain.extend(domain for domain in inferred.string_domain if domain.name in domains)
    return schema


def _stays(feature: schema_pb2.Feature, now: schema_pb2.Feature | None) -> bool:
    """Return whether the curated feature stays. A feature missing in the data stays if its stage was set by hand."""
    if now is None:
        return bool(feature.lifecycle_stage)
    reshaped = feature.HasField("shape") and now.HasField("shape") and feature.shape != now.shape
    return bool(feature.type == now.type and not reshaped)


def anomalies(schema: schema_pb2.Schema, span: SpanStatistics) -> Iterator[str]:
    """Yield one sentence for each way in which the span violates the schema."""
    for split, statistics in span.by_split.items():
        found = tfdv.validate_statistics(statistics, schema).anomaly_info
        for feature, info in sorted(found.items()):
            yield f"{span.name}, {split}, {feature}: {info.short_description} ({info.description})"


def difference(schema_file: Path, schema: schema_pb2.Schema) -> str:
    """Return a unified diff from the curated file, without its comments, to `schema`, or "" if they are the same."""
    before, after = read(schema_file), as_text(schema)
    lines = (as_text(before) if before is not None else "").splitlines(keepends=True)
    return "".join(difflib.unified_diff(lines, after.splitlines(keepends=True), str(schema_file), "proposed"))


def counts(schema: schema_pb2.Schema) -> str:
    """Return the number of features, and of those that may not be missing."""
    never = sum(feature.float_domain.disallow_nan for feature in schema.feature)
    return f"{len(schema.feature)} features: {never} with 'disallow_nan: true', which may not be missing"


def as_text(schema: schema_pb2.Schema) -> str:
    return str(text_format.MessageToString(schema))


def read(schema_file: Path) -> schema_pb2.Schema | None:
    """Return the curated schema, or None if there is no such file.

    Raises:
      DataError: the file is no schema.
    """
    if not schema_file.exists():
        return None
    try:
        return text_format.Parse(schema_file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise DataError(f"{schema_file}: expected a Schema as protobuf text. Received: {error}") from None


def write(schema_file: Path, schema: schema_pb2.Schema) -> None:
    """Replace the curated file, whole or not at all. The comment on top of it stays.

    Raises:
      OSError: it could not be written, and the old file is unchanged.
    """
    before = schema_file.read_text(encoding="utf-8").splitlines(keepends=True) if schema_file.exists() else []
    comment = "".join(before[: next((i for i, line in enumerate(before) if not line.startswith("#")), len(before))])
    schema_file.parent.mkdir(parents=True, exist_ok=True)
    durable.write(schema_file, (comment + as_text(schema)).encode())
