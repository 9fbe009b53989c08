"""The local Airflow: `make up`, `make down`, `make demo`."""
