"""The nightly run: every node of the compiled pipeline as one task of an Airflow DAG."""

from airflow.sdk import CronTriggerTimetable
from pipeline_lib.airflow.config import AirflowPipelineConfig
from pipeline_lib.airflow.dag_runner import AirflowDagRunner
from pipeline_lib.settings import settings

DOCS = """
Retrains a small digit classifier, converts it to TFLite, evaluates both and ships the second if it is good enough.

- **Green**: a new model was pushed. **`Pusher.mnist_lite` skipped**: it was not blessed; the last good model stays.
- A run's parameters (epochs, thresholds, …) are in *Trigger*. Its tab *Model report* shows what it came to.
- Each task's result (artifacts, execution id, blessed, pushed version) is its XCom; its log ends with the reason.
"""

config = AirflowPipelineConfig(
    airflow_dag_config={
        "description": "Train, convert to TFLite, evaluate, push if blessed",
        "doc_md": DOCS,
        "schedule": CronTriggerTimetable(settings().schedule, timezone=settings().timezone)
        if settings().schedule
        else None,
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["mnist", "tfx", "tflite"],
        "default_args": {"owner": "mnist-lite"},
    },
)
dag = AirflowDagRunner(config).run(settings().compiled_path)
