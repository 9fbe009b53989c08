"""Releases: how they are pushed, read, checked, rolled back and pruned, without TFX and without Airflow."""
