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
        base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
        dag_id, run_id = quote(ti_key.dag_id, safe=""), quote(ti_key.run_id, safe="")
        return f"{base}/dags/{dag_id}/runs/{run_id}/plugin/{URL_ROUTE}"
