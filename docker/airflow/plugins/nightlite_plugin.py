"""Plugin registration where the project is not an installed distribution: Airflow reads this folder."""

from nightlite.ondevice.in_airflow.plugin import NightlitePlugin
from nightlite.runner.in_airflow.plugin import RunnerPlugin

__all__ = ["NightlitePlugin", "RunnerPlugin"]
