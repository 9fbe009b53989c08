"""Client of Airflow's REST API and the commands that use it.

It needs no Airflow, so both environments can import it.
"""
