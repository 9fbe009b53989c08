"""The button *Model report* of a task: opens the tab of its DAG run."""

from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey

URL_PREFIX = "/mnist-lite"
URL_ROUTE = "model-report"


class ModelReportLink(BaseOperatorLink):
    """Leads to the report of the task's own run; known before there is one."""

    name = "Model report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return report_url(ti_key.dag_id, ti_key.run_id)


def run_url(dag_id: str, run_id: str) -> str:
    """The run's page in Airflow's UI."""
    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    return f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def report_url(dag_id: str, run_id: str) -> str:
    """The tab *Model report* of the run's page."""
    return f"{run_url(dag_id, run_id)}/plugin/{URL_ROUTE}"
