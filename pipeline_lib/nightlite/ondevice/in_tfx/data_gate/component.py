"""DataGate: ends a run with anomalies in the data or a drift of its labels, before training."""

from collections.abc import Mapping
from typing import ClassVar

import ml_metadata
from tfx.dsl.components.base import base_component, executor_spec
from tfx.dsl.components.common import resolver
from tfx.types import Artifact, BaseChannel, channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from nightlite.ondevice.gates.rows import rows_of
from nightlite.ondevice.gates.table import DATA
from nightlite.ondevice.in_tfx.artifact_types import DataGates
from nightlite.ondevice.in_tfx.data_gate.executor import SPAN, Executor
from nightlite.ondevice.task import Task
from nightlite.runner.in_tfx.run_parameters import RunValue


class DataGateSpec(ComponentSpec):
    """DataGate's inputs, outputs and parameters, described in `DataGate`."""

    INPUTS: ClassVar = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "previous": ChannelParameter(type=DataGates, optional=True),
    }
    OUTPUTS: ClassVar = {"gates": ChannelParameter(type=DataGates)}
    PARAMETERS: ClassVar = {
        # Those of the model's task.
        **{row.name: ExecutionParameter(type=row.type, optional=True) for row in DATA},
        "label_key": ExecutionParameter(type=str),
        "task": ExecutionParameter(type=str),
    }


class DataGate(base_component.BaseComponent):
    """Component that fails, naming each anomaly, if the data violates the schema, or its labels changed or drifted.

    TFX's ExampleValidator only records anomalies. Nodes that must not train on refused data come after this node:
    `add_upstream_node`.

    Args:
      examples: an ExampleGen's. Only these have the span: TFX's later artifacts all have span 0.
      statistics, schema, anomalies: StatisticsGen's, SchemaGen's and ExampleValidator's.
      previous: the DataGates of the last span that passed, if any.
      label_key: the label's feature. Of integers, StatisticsGen must have counted the values (`label_schema`).
      task: a classification's label is an index into its labels, a regression's is a float.
      run_values: the bounds by the names in `gates.table.DATA`. Anomalies are those of all splits together. The drift
        is the one between the train split and the previous span's.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self, *, label_key: str, task: Task, run_values: Mapping[str, RunValue], **inputs: BaseChannel
    ) -> None:
        spec = DataGateSpec(
            **inputs,
            gates=channel.Channel(type=DataGates),
            label_key=label_key,
            task=task.model_dump_json(),
            **{row.name: run_values[row.name] for row in rows_of(DATA, task)},
        )
        super().__init__(spec=spec)


class PreviousSpanStrategy(resolver.ResolverStrategy):
    """Strategy that resolves `gates` to those of the newest earlier span that passed.

    A refused span leaves none. So the next one like it is compared with the same good span and refused again.
    """

    def resolve_artifacts(
        self, store: ml_metadata.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Return `examples` (this run's) unchanged, and at most one of all `gates`."""
        [examples] = input_dict["examples"]
        span = examples.get_int_custom_property(SPAN)
        earlier = [item for item in input_dict["gates"] if item.get_int_custom_property(SPAN) < span]
        newest = max(earlier, key=lambda item: (item.get_int_custom_property(SPAN), item.id), default=None)
        return {"examples": [examples], "gates": [newest] if newest else []}
