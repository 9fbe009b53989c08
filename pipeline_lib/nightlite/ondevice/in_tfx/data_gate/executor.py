"""Executor of DataGate."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from pydantic import TypeAdapter
from tensorflow_data_validation.utils import anomalies_util
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.components.example_validator import executor as example_validator
from tfx.components.schema_gen import executor as schema_gen
from tfx.components.statistics_gen import executor as statistics_gen
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from nightlite.errors import DataRefusedError
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.table import ANOMALIES, LABEL_CHANGES, LABEL_DRIFT, NUMBER_DRIFT, RAREST_LABEL
from nightlite.ondevice.model import model_name
from nightlite.ondevice.report_files import REFUSED_DATA
from nightlite.ondevice.task import Task
from nightlite.runner.in_tfx import node_log

SPAN = "span"
LABEL_STATISTICS = "label_stats.pbtxt"
NODE_ID = "DataGate"
_TRAIN = "train"
_TASK: TypeAdapter[Task] = TypeAdapter(Task)


class Executor(base_executor.BaseExecutor):
    """Executor that judges ExampleValidator's anomalies and the drift of the labels' shares."""

    def Do(
        self,
        input_dict: Mapping[str, list[Artifact]],
        output_dict: Mapping[str, list[Artifact]],
        exec_properties: Mapping[str, Any],
    ) -> None:
        """Judge the data. Inputs, outputs and parameters are those of `DataGateSpec`.

        Raises:
          DataRefusedError: a gate refused the data. The message names each anomaly.
        """
        output = artifact_utils.get_single_instance(output_dict["gates"])
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        anomalies = tuple(_anomalies(artifact_utils.get_single_instance(input_dict["anomalies"])))
        label_key = exec_properties["label_key"]
        by_split = {split: _label_statistics(statistics, split, label_key) for split in _splits(statistics)}
        schema = _read_schema(artifact_utils.get_single_instance(input_dict["schema"]))
        task: Task = _TASK.validate_json(exec_properties["task"])
        gates = [ANOMALIES.judge(exec_properties, len(anomalies), NODE_ID)]
        if task.labels:
            rarest, share = rarest_label(by_split, schema, label_key, task.labels)
            gates.append(RAREST_LABEL.judge(exec_properties, share, NODE_ID, f"{RAREST_LABEL.subject}, {rarest}"))
        labels = by_split[_TRAIN]
        for previous in input_dict.get("previous", ()):
            gates += _gates_since(previous, labels, task, exec_properties)
        judged = Gates(gates=tuple(gates))
        if not judged.passed:
            raise DataRefusedError(_refusal(judged, anomalies, self._which()), self._page(judged, input_dict, output))
        judged.write(Path(output.uri))
        tfdv.write_stats_text(labels, str(Path(output.uri, LABEL_STATISTICS)))
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        output.set_int_custom_property(SPAN, examples.get_int_custom_property(SPAN))
        for gate in judged.gates:
            print(f"pass  {gate}", flush=True)

    def _which(self) -> str:
        info = self._context.pipeline_info if self._context else None
        return f" --model {model_name(info.id)}" if info else ""

    def _page(self, judged: Gates, input_dict: Mapping[str, list[Artifact]], output: Artifact) -> str | None:
        """Write the page of the refusal, outside of the output's folder, which TFX removes after a failure."""
        from nightlite.ondevice.in_tfx.report import refused_data

        folder = Path(output.uri)
        try:
            place = folder.parent.with_name(REFUSED_DATA) / folder.name
            return str(refused_data.write(place, judged, input_dict, self._context))
        except Exception as error:  # whatever the error, the refusal's reason matters more
            node_log.say(f"its page could not be drawn: {type(error).__name__}: {error}", logging.WARNING)
            return None


def _gates_since(
    previous: Artifact,
    labels: statistics_pb2.DatasetFeatureStatisticsList,
    task: Task,
    exec_properties: Mapping[str, Any],
) -> Iterator[Gate]:
    """Yield the gates on the labels' changes since the last span that passed."""
    before = tfdv.load_stats_text(str(Path(previous.uri, LABEL_STATISTICS)))
    since = f"since span {previous.get_int_custom_property(SPAN)}"
    if task.labels:
        changed = label_changes(labels, before, task.labels)
        subject = ", ".join([f"{LABEL_CHANGES.subject} {since}", *changed])
        yield LABEL_CHANGES.judge(exec_properties, len(changed), NODE_ID, subject)
    row = LABEL_DRIFT if task.labels else NUMBER_DRIFT
    drift = label_drift(labels, before, exec_properties["label_key"], task)
    yield row.judge(exec_properties, drift, NODE_ID, f"{row.subject} {since}")


def label_drift(
    current: statistics_pb2.DatasetFeatureStatisticsList,
    previous: statistics_pb2.DatasetFeatureStatisticsList,
    label_key: str,
    task: Task,
) -> float:
    """Return the distance of two distributions of the label, in [0, 1], as TFDV computes it.

    It is the L-infinity distance of classes' shares, and the Jensen-Shannon divergence of numbers' histograms.
    """
    schema = label_schema(label_key, task)
    comparator = tfdv.get_feature(schema, label_key).drift_comparator
    (comparator.infinity_norm if task.labels else comparator.jensen_shannon_divergence).threshold = 0
    found = tfdv.validate_statistics(current, schema, previous_statistics=previous)
    [measured] = [item for info in found.drift_skew_info for item in info.drift_measurements]
    return float(measured.value)


def label_changes(
    current: statistics_pb2.DatasetFeatureStatisticsList,
    previous: statistics_pb2.DatasetFeatureStatisticsList,
    labels: Sequence[str],
) -> list[str]:
    """Return one phrase for each label that only one of two spans has."""
    now, before = set(_label_counts(current)), set(_label_counts(previous))
    return [
        *(f"{_named(label, labels)} appeared" for label in sorted(now - before)),
        *(f"{_named(label, labels)} vanished" for label in sorted(before - now)),
    ]


def rarest_label(
    by_split: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList],
    schema: schema_pb2.Schema,
    label_key: str,
    labels: Sequence[str],
) -> tuple[str, float]:
    """Return the label with the least share of a split's examples, in words, and that share.

    The share is 0 in an empty split. A label counts if the schema's domain or any split has it.
    """
    counts = {split: _label_counts(statistics) for split, statistics in by_split.items()}
    expected = _domain(schema, label_key).union(*counts.values())
    shares = {
        (split, label): found.get(label, 0) / max(1.0, sum(found.values()))
        for split, found in counts.items()
        for label in sorted(expected)
    }
    if not shares:
        return "of none at all", 0.0
    split, label = min(shares, key=lambda key: shares[key])
    return f"{_named(label, labels)} in {split}", shares[split, label]


def _named(label: str, labels: Sequence[str]) -> str:
    """Return a label's name, quoted. Data of a wrong type has labels without a name."""
    return f'"{labels[int(label)] if label.isdecimal() and int(label) < len(labels) else label}"'


def _label_counts(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, float]:
    # As text, because labels of a wrong type are counted too: the anomalies name them.
    [dataset] = statistics.datasets
    buckets = [bucket for feature in dataset.features for bucket in feature.string_stats.rank_histogram.buckets]
    return {bucket.label: bucket.sample_count for bucket in buckets}


def _domain(schema: schema_pb2.Schema, label_key: str) -> set[str]:
    domains = [feature.int_domain for feature in schema.feature if feature.name == label_key]
    return {str(label) for domain in domains for label in range(domain.min, domain.max + 1)}


def label_schema(label_key: str, task: Task) -> schema_pb2.Schema:
    """Return a schema with integer labels as a category, which makes TFDV count each value; or with a float label."""
    feature = schema_pb2.Feature(name=label_key, type=schema_pb2.FeatureType.FLOAT)
    if task.labels:
        feature.type = schema_pb2.FeatureType.INT
        feature.int_domain.is_categorical = True
    return schema_pb2.Schema(feature=[feature])


def _anomalies(artifact: Artifact) -> Iterator[str]:
    """Yield one sentence for each reason of each anomaly of each split."""
    for split in _splits(artifact):
        [uri] = artifact_utils.get_split_uris([artifact], split)
        found = anomalies_util.load_anomalies_binary(str(Path(uri, example_validator.DEFAULT_FILE_NAME)))
        for feature, info in sorted(found.anomaly_info.items()):
            for reason in info.reason:
                yield f"{split}, {feature}: {reason.short_description} ({reason.description})"
        for reason in found.dataset_anomaly_info.reason:
            yield f"{split}: {reason.short_description} ({reason.description})"


def _splits(artifact: Artifact) -> list[str]:
    found: list[str] = artifact_utils.decode_split_names(artifact.split_names)
    return found


def _read_schema(artifact: Artifact) -> schema_pb2.Schema:
    schema: schema_pb2.Schema = tfdv.load_schema_text(str(Path(artifact.uri, schema_gen.DEFAULT_FILE_NAME)))
    return schema


def _label_statistics(statistics: Artifact, split: str, label_key: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Return the label's part of a split's statistics."""
    [uri] = artifact_utils.get_split_uris([statistics], split)
    whole = tfdv.load_stats_binary(str(Path(uri, statistics_gen.DEFAULT_FILE_NAME)))
    [dataset] = whole.datasets
    features = [feature for feature in dataset.features if list(feature.path.step) == [label_key]]
    labels = statistics_pb2.DatasetFeatureStatistics(
        name=dataset.name, num_examples=dataset.num_examples, features=features
    )
    return statistics_pb2.DatasetFeatureStatisticsList(datasets=[labels])


def _refusal(judged: Gates, anomalies: tuple[str, ...], which: str) -> str:
    parts = [*map(str, judged.refused), *anomalies]
    return (
        f"the data is refused, nothing is trained on it: {'; '.join(parts)}. "
        f"Fix the data and ingest it again. If the data is right: 'nightlite schema diff{which}' shows what the schema "
        "lacks, and the run parameter in parentheses takes another bound for one run"
    )
