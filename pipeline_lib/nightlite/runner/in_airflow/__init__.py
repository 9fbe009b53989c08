"""The Airflow side: everything here runs in `.venvs/airflow` and never imports tensorflow or tfx."""
