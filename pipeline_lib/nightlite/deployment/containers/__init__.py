"""Commands that containers run besides Airflow's own."""
