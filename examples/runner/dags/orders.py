from pathlib import Path

from nightlite.runner.in_airflow import AirflowDagRunner, AirflowPipelineConfig

config = AirflowPipelineConfig(airflow_dag_config={"schedule": "@daily"})
dag = AirflowDagRunner(config).run(Path(__file__).with_name("orders.json"))
