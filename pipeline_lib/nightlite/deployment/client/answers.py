"""Answers of Airflow's REST API, as far as our commands read them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

FINISHED = frozenset({"success", "failed"})


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Dag(_Answer):
    """A DAG as the DAG processor last parsed it.

    `file_token` names its file in `AirflowRest.parse_again`. `next_dagrun_run_after` is the time of the next
    scheduled run. It is in the past while the scheduler is about to make that run.
    """

    dag_id: str
    is_paused: bool
    is_stale: bool = False
    has_import_errors: bool
    last_parsed_time: datetime | None
    timetable_summary: str | None
    next_dagrun_run_after: datetime | None = None
    file_token: str
    relative_fileloc: str | None = None


class ImportFailure(_Answer):
    """Import error of one DAG file. Its text is the last line of the traceback."""

    filename: str
    stack_trace: str
    timestamp: datetime

    def __str__(self) -> str:
        return f"{self.filename}: {self.stack_trace.strip().splitlines()[-1]}"


class DagRun(_Answer):
    """One run.

    `state` is queued, running, success or failed. `conf` holds the parameters that differ from the defaults.
    """

    dag_run_id: str
    state: str
    run_type: str = ""
    conf: dict[str, Any] | None = None
    note: str | None = None
    run_after: datetime | None = None
    start_date: datetime | None = None
    duration: float | None = None
    triggering_user_name: str | None = None

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


class TaskInstance(_Answer):
    """One task of one run. `state` is None until the scheduler has seen the task. `duration` is in seconds.

    `hostname` is the machine that runs it, or ran it. It is empty before the first try.
    """

    task_id: str
    state: str | None
    start_date: datetime | None
    duration: float | None
    try_number: int
    hostname: str | None = None
