"""Buttons of a task: the run's report, the pages beside it, and the task's own outputs.

They lead to `report_app`, which checks the permission of each user.
"""

from airflow.sdk import BaseOperatorLink
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.types import TaskInstanceKey

from nightlite.ondevice.report_files import EVALUATIONS_PAGE, REPORT_NODE, REPORT_ROUTE, STATISTICS_PAGE
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from nightlite.runner.in_airflow.pages import links as runner
from nightlite.runner.in_airflow.pages.links import base_url, run_path, run_url

URL_PREFIX = "/nightlite"
# Components whose tasks have a button for a page of ModelReport's.
_REPORTED = frozenset({"Evaluator", "EdgeValidator", "ModelReport", "OutcomeReport"})
_STATISTICS = frozenset({"StatisticsGen", "ExampleValidator", "DataGate"})
_EVALUATIONS = frozenset({"Evaluator"})


def links_of(node: Node, pipeline: CompiledPipeline) -> tuple[BaseOperatorLink, ...]:
    """Return the buttons of a node's task; without a ModelReport in the pipeline, only for its own outputs."""
    component = node.type.rpartition(".")[2]
    has_report = any(other.id == REPORT_NODE for other in pipeline.nodes)
    pages: list[BaseOperatorLink] = []
    if has_report and component in _REPORTED:
        pages.append(ModelReportLink())
    if has_report and component in _STATISTICS:
        pages.append(StatisticsLink())
    if has_report and component in _EVALUATIONS:
        pages.append(EvaluationsLink())
    return (*pages, ArtifactsLink())


class ModelReportLink(BaseOperatorLink):
    """Link to the report of the task's own run, known before the report exists."""

    name = "Model report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return report_url(ti_key.dag_id, ti_key.run_id)


class StatisticsLink(BaseOperatorLink):
    """Link to the page of statistics and anomalies beside the run's report."""

    name = "Data statistics"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return f"{base_url()}{URL_PREFIX}{run_path(ti_key.dag_id, ti_key.run_id)}/{STATISTICS_PAGE}"


class EvaluationsLink(BaseOperatorLink):
    """Link to the page of both Evaluators' slices beside the run's report."""

    name = "Evaluations"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return f"{base_url()}{URL_PREFIX}{run_path(ti_key.dag_id, ti_key.run_id)}/{EVALUATIONS_PAGE}"


class ArtifactsLink(runner.ArtifactsLink):
    """Link to the list of the node's outputs: artifacts, their files, the release."""

    url_prefix = URL_PREFIX


def report_url(dag_id: str, run_id: str) -> str:
    """Return the address of the tab *Model report* of the run's page."""
    return f"{run_url(dag_id, run_id)}/plugin/{REPORT_ROUTE}"
