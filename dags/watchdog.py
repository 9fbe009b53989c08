"""Notices nights that fail without a word, and sends one notice a day of all that it finds.

- a DAG file that can no longer be imported, or is no longer parsed;
- a night without a run;
- a model without a release for some nights, although its runs were green;
- a drop that was refused.

It exists only where `NIGHTLITE_NOTIFY_…` names a recipient. Pause it to stop its notices.
"""

# Airflow reads a file as a DAG's only if it contains the words "airflow" and "dag". This one must never import a model.
from nightlite.deployment.in_airflow.watchdog.dag import watchdog_dag

dag = watchdog_dag(__doc__)
