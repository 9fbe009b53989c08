"""Runner of any compiled TFX pipeline as an Airflow DAG."""
