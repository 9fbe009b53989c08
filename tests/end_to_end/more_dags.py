"""DAGs beside the project's own: another pipeline, and this one as others have it. `often` and `late` begin paused."""

import os
import time
from datetime import timedelta
from functools import partial

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, DeadlineAlert, DeadlineReference

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import settings
from nightlite.ondevice.approval import APPROVAL_RECORD
from nightlite.ondevice.in_airflow import metrics
from nightlite.ondevice.in_airflow.approval import ModelApproval, approval_record
from nightlite.ondevice.in_airflow.notice.settings import PREFIX as NOTIFY_PREFIX
from nightlite.ondevice.in_airflow.notice.settings import tells_after_runs
from nightlite.ondevice.in_airflow.notice.task import end_with_notice, late_callback
from nightlite.ondevice.in_airflow.schedule import as_of, deadline, schedule
from nightlite.ondevice.results.node_facts import release_extra
from nightlite.ondevice.settings import model_settings, run_defaults
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.runner.in_airflow.task_group import TfxTaskGroup

here = settings()
odd = AirflowDagRunner(AirflowPipelineConfig(airflow_dag_config={"schedule": None}, grace_seconds=5)).run(
    here.var_dir.with_name("odd.json")
)

with DAG("twice", schedule=None, params={"times": 60}) as twice:
    first, second = (
        TfxTaskGroup(
            name,
            pipeline=here.var_dir.with_name("odd.json"),
            parameters={"number": twice.param("times"), "word": name},
        )
        for name in ("first", "second")
    )
    EmptyOperator(task_id="before") >> first >> second >> EmptyOperator(task_id="after", trigger_rule="none_failed")


def pipeline(dag_id: str, dag_config: dict[str, object], **config: object) -> DAG:
    joined = {"on_result": (metrics.emit,), "asset_extra": release_extra, "hidden_env": (NOTIFY_PREFIX,)}
    own = {"parameter_defaults": run_defaults(MODEL), "airflow_dag_config": {"dag_id": dag_id, **dag_config}}
    config = {**joined, **own, **config}
    return AirflowDagRunner(AirflowPipelineConfig(**config)).run(here.compiled_file(MODEL))


# Every twenty seconds; and a DAG whose every run is late.
overrides = {"schedule": "* * * * * */20", "run_on_new_data": False, "deadline_minutes": 0.01}
twenty = model_settings(MODEL).model_copy(update=overrides)
one = {"catchup": False, "max_active_runs": 1, "is_paused_upon_creation": True}
often = pipeline("often", {"schedule": schedule(MODEL, twenty, "UTC"), **one}, context_parameters={"as_of": as_of})
with DAG("late", schedule=None, deadline=deadline(twenty), **one) as late:
    PythonOperator(task_id="sleep", python_callable=lambda: time.sleep(15))

# As someone has it who wants to be told: of every run, and of each that takes more than a second.
os.environ["NIGHTLITE_NOTIFY_ON"] = "pushed,refused,failed,late"
slow = DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=1), callback=late_callback())
told = pipeline("told", {"schedule": None, "deadline": slow}, finish=(end_with_notice,) if tells_after_runs() else ())
with DAG("timed", schedule=None, dagrun_timeout=timedelta(seconds=3)) as timed:
    PythonOperator(task_id="Endless", python_callable=lambda: time.sleep(600))
end_with_notice(timed)

# Whose approvals no one can answer in time.
hurried = pipeline(
    "hurried",
    {"schedule": None},
    tasks_before={"Pusher*": partial(ModelApproval, model=MODEL, response_timeout=timedelta(seconds=1))},
    context_parameters={APPROVAL_RECORD: approval_record},
)
