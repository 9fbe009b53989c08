"""MNIST's DAGs: the nightly run, and the folder that is watched for new data."""

# Airflow reads a file as a DAG's only if it contains the words "airflow" and "dag".
from models.mnist.on_device import MODEL
from nightlite.ondevice.in_airflow.ingest_dag import ingest_dag
from nightlite.ondevice.in_airflow.nightly import nightly_dag

DOCS = """
Retrains a small digit classifier, converts it to TFLite, evaluates both and ships the second if it is good enough.

- **Release green**: a new model was pushed. **Release skipped**: nothing new, or a dry run. **Outcome skipped, too**: a
  new model was kept back; the end of its log says why. The last good model stays.
- **`DataGate` red**: the data is not what it should be.
- It runs on its schedule, and when the Asset `mnist_data` tells of a new span.
  One run at a time, others queue.
- A run's parameters (epochs, thresholds, …) are in *Trigger*; the nightly run takes their defaults.
- With `approval` *required*, a person approves or rejects a blessed model under *Required actions* before the push.
- A run's tab *Model report* shows what it came to.
- A push updates the Asset `mnist_releases`: other DAGs can be scheduled on it,
  as `mnist_consumer` is.
- Each task's result (artifacts, execution id, blessed, pushed version) is its XCom; its log ends with the reason.
"""

nightly = nightly_dag(MODEL, DOCS)
ingest = ingest_dag(MODEL, files="IDX files, named as MNIST names them, or folders of pictures by label,")
