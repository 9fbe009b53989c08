"""A client of Airflow's REST API and the commands that use it. Both environments can import it: it needs no Airflow."""
