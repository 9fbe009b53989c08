"""ModelReport: one page, and the same figures as JSON, on what a run made of the data and how good it is."""

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration import data_types
from tfx.types import artifact, component_spec, standard_artifacts

from pipeline_lib.report_files import REPORT_TYPE
from pipeline_lib.tfx.report.executor import Executor


class Report(artifact.Artifact):
    """A folder with `report.html`, `report.json`, `statistics.html` and `evaluations.html`."""

    TYPE_NAME = REPORT_TYPE


class ModelReportSpec(component_spec.ComponentSpec):
    """Inputs, output and parameters of ModelReport."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "image_key": component_spec.ExecutionParameter(type=str),
        "label_key": component_spec.ExecutionParameter(type=str),
        "run_parameters": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "lite_model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "lite_evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing, optional=True),
        "baseline_model": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"report": component_spec.ChannelParameter(type=Report)}


class ModelReport(base_component.BaseComponent):
    """Keras, TFLite and the last release side by side, as a page that needs no network.

    It only reads, and nothing waits for it: a run that was refused gets its report too.

    Args:
      examples: raw examples; the split `eval` is what the models are compared on.
      statistics, anomalies: of StatisticsGen and ExampleValidator.
      model, model_run: the Keras Trainer's SavedModel, with a `lite` signature, and its TensorBoard logs.
      lite_model: a file named `tflite` that takes what that signature takes.
      evaluation, lite_evaluation: the two Evaluators'.
      image_key, label_key: features of the examples: a square image as floats in [-0.5, 0.5], and its class.
      run_parameters: what the run was told, as a JSON object.
      infra_blessing: EdgeValidator's, whose folder holds `gates.json` and `edge.json`.
      baseline_model: the TFLite model of the last release.
    """

    SPEC_CLASS = ModelReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        anomalies: types.BaseChannel,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        lite_model: types.BaseChannel,
        evaluation: types.BaseChannel,
        lite_evaluation: types.BaseChannel,
        image_key: str,
        label_key: str,
        run_parameters: str | data_types.RuntimeParameter = "{}",
        infra_blessing: types.BaseChannel | None = None,
        baseline_model: types.BaseChannel | None = None,
    ) -> None:
        super().__init__(
            ModelReportSpec(
                examples=examples,
                statistics=statistics,
                anomalies=anomalies,
                model=model,
                model_run=model_run,
                lite_model=lite_model,
                evaluation=evaluation,
                lite_evaluation=lite_evaluation,
                image_key=image_key,
                label_key=label_key,
                run_parameters=run_parameters,
                infra_blessing=infra_blessing,
                baseline_model=baseline_model,
                report=types.Channel(type=Report),
            )
        )
