"""Parts of the DAG in Airflow: schedule, approval, watched folder."""
