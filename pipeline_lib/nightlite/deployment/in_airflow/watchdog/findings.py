"""Findings of the watchdog: each is one sentence on nights that fail without a word.

DAGs are found by their tag in Airflow. No declaration of a model is read, so a broken one hides nothing.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from nightlite.deployment.client.answers import Dag, DagRun
from nightlite.deployment.in_airflow.watchdog.watched_airflow import WatchedAirflow
from nightlite.errors import RefusedError

# Airflow parses files every minute and starts runs within seconds. An hour is no chance.
PATIENCE = timedelta(hours=1)
# As `AirflowRest.log_lines` gives an exception.
_EXCEPTION = re.compile(r"[\w.]+(?:Error|Exception|Timeout): (.+)", re.DOTALL)
PIPELINE, INGEST, RELEASES = "_tflite", "_ingest", "_releases"


class Finding(BaseModel):
    """One thing that a person should look at.

    Attributes:
      about: the DAG's id, or the file's name.
      text: what is wrong.
      path: the page in Airflow's UI, below its address.
    """

    model_config = ConfigDict(frozen=True)

    about: str
    text: str
    path: str = ""


def look(airflow: WatchedAirflow, now: datetime, since: datetime, nights: int) -> list[Finding]:
    """Return all findings.

    Args:
      airflow: the Airflow that is watched.
      now: the present time.
      since: when the watchdog last looked. An older refused drop was told then.
      nights: a model's nights without a release that are told; 0: none.
    """
    dags = airflow.dags()
    found = list(_failed_to_import(airflow, dags))
    for dag in dags:
        if dag.is_stale:  # its file is gone, or is told above
            continue
        if dag.dag_id.endswith(INGEST):
            found += _refused_drops(airflow, dag, since)
        if not dag.is_paused and not dag.has_import_errors:
            found += _not_parsed(dag, now)
            if dag.dag_id.endswith(PIPELINE):
                found += _without_a_run(airflow, dag, now)
                found += _without_a_release(airflow, dag, now, since, nights) if nights else []
    return found


def _failed_to_import(airflow: WatchedAirflow, dags: list[Dag]) -> Iterator[Finding]:
    for failure in airflow.failures_to_import():
        lost = [dag for dag in dags if dag.relative_fileloc == failure.filename and dag.has_import_errors]
        names = ", ".join(dag.dag_id for dag in lost)
        why = str(failure) if lost else str(failure).removeprefix(f"{failure.filename}: ")
        last = min((dag.last_parsed_time for dag in lost if dag.last_parsed_time), default=None)
        parsed = f", last parsed at {_time(last)}" if last else ""
        yield Finding(about=names or failure.filename, text=f"runs no longer{parsed}: {why}", path="/dags")


def _not_parsed(dag: Dag, now: datetime) -> Iterator[Finding]:
    if dag.last_parsed_time and dag.last_parsed_time < now - PATIENCE:
        text = f"was last parsed at {_time(dag.last_parsed_time)}: is Airflow's DAG processor running?"
        yield Finding(about=dag.dag_id, text=text, path=_dag_path(dag))


def _without_a_run(airflow: WatchedAirflow, dag: Dag, now: datetime) -> Iterator[Finding]:
    due = dag.next_dagrun_run_after
    if due and due < now - PATIENCE:
        active = airflow.active_run(dag.dag_id)
        why = f"run {active.dag_run_id} is still {active.state}" if active else "Airflow made none"
        yield Finding(
            about=dag.dag_id,
            text=f"has had no run since one was due at {_time(due)}: {why}",
            path=_run_path(dag, active) if active else _dag_path(dag),
        )


def _without_a_release(
    airflow: WatchedAirflow, dag: Dag, now: datetime, looked: datetime, nights: int
) -> Iterator[Finding]:
    """Yield a finding if so many nights without a release, or a multiple, have passed since the watchdog looked."""
    try:
        released = airflow.last_release(dag.dag_id.removesuffix(PIPELINE) + RELEASES)
    except RefusedError:  # Airflow cannot list events now; tomorrow it can
        return
    oldest = None if released else airflow.oldest_run(dag.dag_id)
    since = released or (oldest and oldest.run_after)
    if not since:
        return
    without, before = (now - since).days, max(0, (looked - since).days)
    if without // nights <= before // nights:
        return
    if green := airflow.finished_since(dag.dag_id, "success", since):
        newest = green[0]
        count = f"{len(green)} run{'s' if len(green) > 1 else ''}"
        yield Finding(
            about=dag.dag_id,
            text=f"has made no release for {without} nights, although {count} ended well. "
            f"The newest says: {newest.note or 'nothing'}",
            path=_run_path(dag, newest),
        )


def _refused_drops(airflow: WatchedAirflow, dag: Dag, since: datetime) -> Iterator[Finding]:
    for run in reversed(airflow.finished_since(dag.dag_id, "failed", since)):
        failed = [task for task in airflow.tasks(dag.dag_id, run.dag_run_id) if task.state == "failed"]
        lines = airflow.log_lines(dag.dag_id, run.dag_run_id, failed[0]) if failed else []
        raised = [match[1] for line in lines if (match := _EXCEPTION.match(line))]
        why = raised[-1] if raised else "its log holds no reason"
        yield Finding(about=dag.dag_id, text=f"refused a drop: {why}", path=_run_path(dag, run))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _dag_path(dag: Dag) -> str:
    return f"/dags/{quote(dag.dag_id, safe='')}"


def _run_path(dag: Dag, run: DagRun) -> str:
    return f"{_dag_path(dag)}/runs/{quote(run.dag_run_id, safe='')}"
