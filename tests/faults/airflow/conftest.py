"""The private Airflow of tests/airflow, which must be there before anything imports airflow."""

from tests.airflow.conftest import airflow_database, airflow_home

__all__ = ["airflow_database", "airflow_home"]
