"""The DAGs that publish the models' feeds to phones, in a file that neither imports a model nor reads its pipeline.

A broken declaration, or a model that was not compiled again, then ends neither a feed's renewal nor a halt.
"""

# Airflow reads a file as a DAG's only if it contains the words "airflow" and "dag".
from nightlite.deployment.in_airflow.feed_dags import feed_dags

globals().update(feed_dags())
