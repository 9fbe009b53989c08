"""Stands in for the pipeline's DAG: `first` is cached, hangs, or calls a short command; `second` is skipped, or fails.

The file `mode` beside it holds the default of the run's one parameter; a file `schedule`, a cron expression.
"""

import subprocess
from pathlib import Path

from airflow.sdk import DAG, CronTriggerTimetable, Param, task
from airflow.sdk.exceptions import AirflowSkipException

MODE = Path(__file__).with_name("mode").read_text()

SCHEDULE = Path(__file__).with_name("schedule")
by_time = None
if SCHEDULE.exists():
    by_time = CronTriggerTimetable(SCHEDULE.read_text(), timezone="UTC", run_immediately=True)

with DAG("mnist_tflite", schedule=by_time, params={"mode": Param(MODE, enum=["ok", "fail", "hang", "short"])}):

    @task
    def first(run_id: str, params: dict) -> dict:
        if params["mode"] == "hang":
            subprocess.run(["sleep", "987654"], start_new_session=True, check=True)
        if params["mode"] == "short":
            subprocess.run(["sleep", "4.321"], check=True)
        return {"node_id": "first", "run_id": run_id, "state": "cached", "reason": "same inputs as run x"}

    @task
    def second(run_id: str, params: dict, ti) -> None:
        if params["mode"] == "fail":
            raise ValueError("the node's own error")
        result = {"node_id": "second", "run_id": run_id, "state": "skipped", "reason": "not blessed"}
        ti.xcom_push("return_value", result)
        raise AirflowSkipException("not blessed")

    first() >> second()
