"""Patches of Airflow, switched on by this deployment's configuration; `docs/upstream.md` lists them.

`plugin.py` switches the API server's on, and `request.py` is what they share.
"""
