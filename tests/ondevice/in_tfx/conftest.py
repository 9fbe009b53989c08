"""One deployment for these tests; nodes run as Airflow runs them."""

from tests.run_nodes import deployment, mariadb_url

__all__ = ["deployment", "mariadb_url"]
