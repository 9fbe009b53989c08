"""Releases: what the Pusher ships, how it is read, checked, rolled back and pruned; without TFX, without Airflow."""
