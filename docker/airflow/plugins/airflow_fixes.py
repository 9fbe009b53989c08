"""Switches this deployment's patches of Airflow on: Airflow reads this folder."""

from nightlite.deployment.airflow_fixes.plugin import AirflowFixes

__all__ = ["AirflowFixes"]
