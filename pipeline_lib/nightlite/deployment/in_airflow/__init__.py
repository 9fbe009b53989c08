"""Parts of a deployment that run in Airflow's environment only."""
