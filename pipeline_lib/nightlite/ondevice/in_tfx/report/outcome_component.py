"""OutcomeReport: the report of a run, with the Pusher's outcome."""

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from nightlite.ondevice.in_tfx.artifact_types import Report
from nightlite.ondevice.in_tfx.report.outcome_executor import Executor


class OutcomeReportSpec(component_spec.ComponentSpec):
    """Inputs and output of OutcomeReport."""

    PARAMETERS: ClassVar[dict[str, Any]] = {}
    INPUTS: ClassVar[dict[str, Any]] = {
        "report": component_spec.ChannelParameter(type=Report),
        "pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"outcome_report": component_spec.ChannelParameter(type=Report)}


class OutcomeReport(base_component.BaseComponent):
    """A copy of ModelReport's pages and figures, with the outcome of the run. It runs no model.

    ModelReport's own page exists before the push, for the person who approves it.

    Args:
      report: ModelReport's.
      pushed_model: the Pusher's, whether it pushed or not.
    """

    SPEC_CLASS = OutcomeReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, **inputs: types.BaseChannel) -> None:
        super().__init__(OutcomeReportSpec(outcome_report=types.Channel(type=Report), **inputs))
