"""The curated schema: what `mnist-lite schema infer`, `diff` and `accept` do."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipeline_lib.errors import DataError
from pipeline_lib.mnist.spans import Span, latest_span

_SPLITS = ("train", "eval")


def infer(data_dir: Path) -> schema_pb2.Schema:
    """A schema as the latest span's training split has it, with the ranges that its numbers have.

    Raises:
      DataError: there is no span yet, or it cannot be read.
    """
    statistics = _statistics(_latest(data_dir), "train")
    schema = tfdv.infer_schema(statistics, infer_feature_shape=True)
    for feature in statistics.datasets[0].features:
        if feature.HasField("num_stats"):
            [name] = feature.path.step
            found, numbers = tfdv.get_feature(schema, name), feature.num_stats
            if found.type == schema_pb2.FeatureType.INT:
                found.int_domain.min, found.int_domain.max = int(numbers.min), int(numbers.max)
            else:
                found.float_domain.min, found.float_domain.max = numbers.min, numbers.max
    return schema


def proposed(schema_file: Path, data_dir: Path) -> schema_pb2.Schema:
    """The curated schema, widened where the latest span is not what it says; without one, the inferred schema.

    Raises:
      DataError: there is no span yet, or the schema file cannot be read.
    """
    curated = read(schema_file)
    if curated is None:
        return infer(data_dir)
    span = _latest(data_dir)
    for split in _SPLITS:
        curated = tfdv.update_schema(curated, _statistics(span, split), infer_feature_shape=True)
    return curated


def anomalies(schema: schema_pb2.Schema, data_dir: Path) -> Iterator[str]:
    """One sentence for each way in which the latest span is not what the schema says."""
    span = _latest(data_dir)
    for split in _SPLITS:
        found = tfdv.validate_statistics(_statistics(span, split), schema).anomaly_info
        for feature, info in sorted(found.items()):
            yield f"{span.path.name}, {split}, {feature}: {info.short_description} ({info.description})"


def difference(schema_file: Path, schema: schema_pb2.Schema) -> str:
    """A unified diff from the curated file's content, without its comments, to `schema`; "" where they are the same."""
    before, after = read(schema_file), as_text(schema)
    lines = (as_text(before) if before is not None else "").splitlines(keepends=True)
    return "".join(difflib.unified_diff(lines, after.splitlines(keepends=True), str(schema_file), "proposed"))


def as_text(schema: schema_pb2.Schema) -> str:
    return str(text_format.MessageToString(schema))


def read(schema_file: Path) -> schema_pb2.Schema | None:
    """The curated schema; None where there is no such file.

    Raises:
      DataError: it is not a schema.
    """
    if not schema_file.exists():
        return None
    try:
        return text_format.Parse(schema_file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise DataError(f"{schema_file}: expected a Schema as protobuf text. Received: {error}") from None


def write(schema_file: Path, schema: schema_pb2.Schema) -> None:
    """Replace the curated file, whole or not at all; the comment on top of it stays.

    Raises:
      OSError: it could not be written; what was there still is.
    """
    before = schema_file.read_text(encoding="utf-8").splitlines(keepends=True) if schema_file.exists() else []
    comment = "".join(before[: next((i for i, line in enumerate(before) if not line.startswith("#")), len(before))])
    schema_file.parent.mkdir(parents=True, exist_ok=True)
    partial = schema_file.with_name(schema_file.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(comment + as_text(schema))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(schema_file)


def _latest(data_dir: Path) -> Span:
    span = latest_span(data_dir)
    if span is None:
        raise DataError(f"expected a span of data in {data_dir}. Received: none; run 'mnist-lite ingest digits' first")
    return span


def _statistics(span: Span, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    return tfdv.generate_statistics_from_tfrecord(str(span.path / f"{split}-*"))
