"""Buttons of a task: the run's report, the pages beside it, and the task's own outputs.

They lead to `report_app`, which checks the permission of each user.
"""

from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.types import TaskInstanceKey

from nightlite.ondevice.report_files import (
    EVALUATIONS_PAGE,
    REPORT_NODE,
    REPORT_PAGE,
    REPORT_ROUTE,
    STATISTICS_PAGE,
    TRY_PAGE,
)
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from nightlite.runner.in_airflow.pages import links as runner
from nightlite.runner.in_airflow.pages.links import base_url, run_path, run_url
from nightlite.runner.in_airflow.xcom import group_around

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
        return report_url(ti_key.dag_id, ti_key.run_id, _group_of(operator, ti_key))


class StatisticsLink(BaseOperatorLink):
    """Link to the page of statistics and anomalies beside the run's report."""

    name = "Data statistics"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return _page_url(ti_key.dag_id, ti_key.run_id, STATISTICS_PAGE, _group_of(operator, ti_key))


class EvaluationsLink(BaseOperatorLink):
    """Link to the page of both Evaluators' slices beside the run's report."""

    name = "Evaluations"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return _page_url(ti_key.dag_id, ti_key.run_id, EVALUATIONS_PAGE, _group_of(operator, ti_key))


class ArtifactsLink(runner.ArtifactsLink):
    """Link to the list of the node's outputs: artifacts, their files, the release."""

    url_prefix = URL_PREFIX


def try_url(dag_id: str, run_id: str, group: str = "") -> str:
    """Return the address of the page on which a person tries the file of a run, or of a `TfxTaskGroup` in it."""
    return _page_url(dag_id, run_id, TRY_PAGE, group)


def report_url(dag_id: str, run_id: str, group: str = "") -> str:
    """Return the address of the tab *Model report* of the run's page, or of the report of a `TfxTaskGroup` in it."""
    if group:
        return _page_url(dag_id, run_id, REPORT_PAGE, group)
    return f"{run_url(dag_id, run_id)}/plugin/{REPORT_ROUTE}"


def _page_url(dag_id: str, run_id: str, page: str, group: str) -> str:
    query = f"?group={quote(group, safe='')}" if group else ""
    return f"{base_url()}{URL_PREFIX}{run_path(dag_id, run_id)}/{page}{query}"


def _group_of(operator: BaseOperator, ti_key: TaskInstanceKey) -> str:
    return group_around(ti_key.task_id, getattr(operator, "tfx_node_id", ti_key.task_id))
