from nightlite.runner.in_airflow.config import AirflowPipelineConfig as AirflowPipelineConfig
from nightlite.runner.in_airflow.config import NodeSettings as NodeSettings
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner as AirflowDagRunner
from nightlite.runner.in_airflow.task_group import TfxTaskGroup as TfxTaskGroup
