"""The penguins' DAGs: the nightly run, and the folder that is watched for new data."""

# Airflow reads a file as a DAG's only if it contains the words "airflow" and "dag".
from models.penguins.on_device import MODEL
from nightlite.ondevice.in_airflow.ingest_dag import ingest_dag
from nightlite.ondevice.in_airflow.nightly import nightly_dag

DOCS = """
Retrains a small network on a table, converts it to TFLite, evaluates both and ships the second if it is good enough.

- **Release green**: a new model was pushed. **Release skipped**: nothing new, or a dry run. **Outcome skipped, too**: a
  new model was kept back; the end of its log says why. The last good model stays.
- **`DataGate` red**: the data is not what it should be.
- It runs on its schedule, and when the Asset `penguins_data` tells of a new span.
  One run at a time, others queue.
- A run's parameters (epochs, thresholds, …) are in *Trigger*; the nightly run takes their defaults.
- A run's tab *Model report* shows what it came to.
- A push updates the Asset `penguins_releases`: other DAGs can be scheduled on it.
"""

nightly = nightly_dag(MODEL, DOCS)
ingest = ingest_dag(MODEL, files="CSV or Parquet files")
