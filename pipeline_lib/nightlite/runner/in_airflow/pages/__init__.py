"""Pages that the plugin adds to Airflow's UI: a node's outputs."""
