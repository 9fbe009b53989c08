"""Every compiled pipeline as a DAG. A killed node is tried again at once, more often than anyone kills."""

from datetime import timedelta

from airflow.sdk import DAG  # noqa: F401  Airflow looks for this word before it reads a file

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import settings
from nightlite.runner.in_airflow.config import AirflowPipelineConfig, NodeSettings
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner

config = AirflowPipelineConfig(
    airflow_dag_config={"schedule": None, "is_paused_upon_creation": False},
    node_settings={"*": NodeSettings(retries=9, retry_delay=timedelta())},
)
for file in sorted(settings().compiled_file(MODEL).parent.glob("*.json")):
    globals()[file.stem] = AirflowDagRunner(config).run(file)
