"""One installation: its command line, the local Airflow, the containers."""
