"""Measure this project against its components: `python -m bench --help`."""
