"""Airflow's side of the runner. It runs in `.venvs/airflow` and never imports tensorflow or tfx."""
