"""The nightly run: every node of the compiled pipeline as one task of an Airflow DAG."""

from datetime import timedelta
from functools import partial

from airflow.sdk import Asset

from nightlite.ondevice.approval import APPROVAL_RECORD
from nightlite.ondevice.in_airflow.approval import ModelApproval, approval_record
from nightlite.ondevice.in_airflow.notice.settings import tells_after_runs
from nightlite.ondevice.in_airflow.schedule import as_of, deadline, node_limits, schedule
from nightlite.runner.in_airflow.config import AirflowPipelineConfig, NodeSettings
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.settings import RELEASE_ASSET, run_defaults, settings

DOCS = """
Retrains a small digit classifier, converts it to TFLite, evaluates both and ships the second if it is good enough.

- **Release green**: a new model was pushed. **Release skipped**: nothing new, or a dry run. **Outcome skipped, too**: a
  new model was kept back; the end of its log says why. The last good model stays.
- **`DataGate` red**: the data is not what it should be.
- It runs on its schedule, and when the Asset `mnist_data` tells of a new span: one run at a time, others queue.
- A run's parameters (epochs, thresholds, …) are in *Trigger*; the nightly run takes their defaults.
- With `approval` *required*, a person approves or rejects a blessed model under *Required actions* before the push.
- A run's tab *Model report* shows what it came to.
- A push updates the Asset `mnist_tflite_model`: other DAGs can be scheduled on it, as `mnist_consumer` is.
- Each task's result (artifacts, execution id, blessed, pushed version) is its XCom; its log ends with the reason.
"""

config = AirflowPipelineConfig(
    airflow_dag_config={
        "description": "Train, convert to TFLite, evaluate, push if blessed",
        "doc_md": DOCS,
        "schedule": schedule(settings()),
        "deadline": deadline(settings()),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["mnist", "tfx", "tflite"],
        "default_args": {"owner": "mnist-lite"},
    },
    node_settings={"*": node_limits(settings()), "Pusher*": NodeSettings(outlets=(Asset(RELEASE_ASSET),))},
    parameter_defaults=run_defaults(),
    notice=tells_after_runs(),
    gates_before={"Pusher*": partial(ModelApproval, response_timeout=timedelta(hours=settings().approval_hours))},
    run_facts={"as_of": as_of, APPROVAL_RECORD: approval_record},
)
dag = AirflowDagRunner(config).run(settings().compiled_path)
