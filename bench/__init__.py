"""Measure this project against what it is built on: `python -m bench --help`."""
