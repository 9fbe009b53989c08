"""ModelReport: one page, and the same figures as JSON, on a run's data and models."""

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from nightlite.ondevice.in_tfx.artifact_types import Report
from nightlite.ondevice.in_tfx.report.executor import Executor
from nightlite.runner.in_tfx.run_parameters import RunValue


class ModelReportSpec(component_spec.ComponentSpec):
    """Inputs, output and parameters of ModelReport."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "run_parameters": component_spec.ExecutionParameter(type=str),
        "card": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "lite_evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"report": component_spec.ChannelParameter(type=Report)}


class ModelReport(base_component.BaseComponent):
    """Component that writes a page on Keras, TFLite and the last release side by side. The page needs no network.

    It only reads, and no node waits for it, so a refused run gets its report too.

    Args:
      examples: raw examples, whose span is read.
      statistics, anomalies: of StatisticsGen and ExampleValidator.
      model, model_run: the Keras Trainer's SavedModel and its TensorBoard logs.
      evaluation, lite_evaluation: the two Evaluators'.
      run_parameters: the run's parameters, as a JSON object.
      card: the model's `ModelCard`, as JSON.
      infra_blessing: EdgeValidator's, whose folder holds `gates.json`, `measurements.json` and `answers.json`.
    """

    SPEC_CLASS = ModelReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, **values: types.BaseChannel | RunValue) -> None:
        super().__init__(ModelReportSpec(report=types.Channel(type=Report), **values))
