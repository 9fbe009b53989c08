"""The private Airflow of these tests, which must be there before anything imports airflow."""

from tests.airflow_home import airflow_database, airflow_home, compiled, dag_of, operator, pipeline, stand_in, statsd

__all__ = ["airflow_database", "airflow_home", "compiled", "dag_of", "operator", "pipeline", "stand_in", "statsd"]
