"""What containers do besides Airflow's own commands."""
