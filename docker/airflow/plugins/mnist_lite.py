"""Registers our plugin where the project is not an installed distribution: Airflow reads this folder."""

from pipeline_lib.airflow.plugin import MnistLitePlugin

__all__ = ["MnistLitePlugin"]
