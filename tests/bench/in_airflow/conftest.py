"""The private Airflow of these tests, which must be there before anything imports airflow."""

from tests.airflow_home import airflow_home

__all__ = ["airflow_home"]
