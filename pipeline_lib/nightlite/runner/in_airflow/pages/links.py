"""Button of a task that leads to its node's outputs, and addresses of Airflow's UI.

The app checks the permission of each user.
"""

from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey

from nightlite.runner.compiled_pipeline import CompiledPipeline, Node

URL_PREFIX = "/nightlite-runner"


class ArtifactsLink(BaseOperatorLink):
    """Link to the list of the node's outputs: artifacts and their files."""

    name = "Artifacts"
    url_prefix = URL_PREFIX

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        run = run_path(ti_key.dag_id, ti_key.run_id)
        return f"{base_url()}{self.url_prefix}{run}/nodes/{quote(ti_key.task_id, safe='')}"


def artifacts_link(node: Node, pipeline: CompiledPipeline) -> tuple[BaseOperatorLink, ...]:
    """Return the one button of every node's task."""
    return (ArtifactsLink(),)


def run_url(dag_id: str, run_id: str) -> str:
    """Return the address of the run's page in Airflow's UI."""
    return f"{base_url()}{run_path(dag_id, run_id)}"


def base_url() -> str:
    """Return the address of Airflow's UI."""
    return str(conf.get("api", "base_url", fallback="")).rstrip("/")


def run_path(dag_id: str, run_id: str) -> str:
    """Return the run's path below the address of Airflow's UI."""
    return f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
