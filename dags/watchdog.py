"""Notices nights that fail without a word, and tells the recipients of notices: once a day, in one notice.

- a DAG file that can no longer be imported, or is no longer parsed;
- a night without a run;
- a model without a release for some nights, although its runs were green;
- a drop that was refused.

It is here only where `NIGHTLITE_NOTIFY_…` names a recipient. Pause it to be left in peace.
"""

# Airflow reads a file as a DAG's only if it contains the words "airflow" and "dag". This one must never import a model.
from nightlite.deployment.in_airflow.watchdog.dag import watchdog_dag

dag = watchdog_dag(__doc__)
