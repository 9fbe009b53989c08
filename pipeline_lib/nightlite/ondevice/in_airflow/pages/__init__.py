"""Pages that the plugin adds to Airflow's UI."""
