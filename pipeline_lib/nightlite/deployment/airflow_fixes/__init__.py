"""Patches of Airflow, switched on by this deployment."""
