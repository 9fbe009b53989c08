"""Start of a run in a running Airflow: with the DAG's current file, and never beside another run."""

import time
from datetime import UTC, datetime

from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from nightlite.deployment.client.answers import Dag
from nightlite.deployment.client.rest import AirflowRest
from nightlite.errors import StackError

_PARSE_SECONDS = 90
_DUE_SECONDS = 90


def switch_on(rest: AirflowRest, dag_id: str, console: Console) -> None:
    """Have the DAG's current file parsed, and unpause the DAG."""
    dag = _parsed_now(rest, dag_id)
    if dag.is_paused:
        rest.unpause(dag_id)
        console.print(
            f"The DAG was paused and no longer is: while Airflow is up, it also runs on its schedule "
            f"({_schedule(dag)}).",
            soft_wrap=True,
        )


def _schedule(dag: Dag) -> str:
    """Return the schedule in words. Airflow's own are such as "Asset or 0 2 * * *"."""
    return (dag.timetable_summary or "none").replace("Asset or ", "new data, or ").replace("Asset", "new data")


def run_under_way(rest: AirflowRest, dag_id: str, patience: float = _DUE_SECONDS) -> str | None:
    """Return the run that is queued, running or about to be made.

    The last kind is the DAG's first run, or one for a missed night. Return None if there is no such run, or if it has
    not appeared within `patience` seconds.
    """

    def settled() -> tuple[str | None] | None:
        dag = rest.dag(dag_id)  # read before its runs, so that a run made in between is seen
        if run := rest.active_run(dag_id):
            return (run.dag_run_id,)
        due = dag and not dag.is_paused and dag.next_dagrun_run_after
        return None if due and due <= datetime.now(UTC) else (None,)

    waiting = Retrying(retry=retry_if_not_result(bool), wait=wait_fixed(0.3), stop=stop_after_delay(patience))
    try:
        found = waiting(settled)
    except RetryError:
        return None
    return found[0] if found else None


def _parsed_now(rest: AirflowRest, dag_id: str) -> Dag:
    """Return the DAG, parsed after this call. A running Airflow may hold an earlier compilation."""
    before = rest.dag(dag_id)
    if before:
        rest.parse_again(before)
    started, asked = time.monotonic(), datetime.now(UTC)
    while time.monotonic() - started < _PARSE_SECONDS:
        dag = rest.dag(dag_id)
        # An earlier error may be fixed: 'make up' comes before the first 'make compile'.
        if why := rest.import_error(dag_id, since=asked):
            raise StackError(f"the DAG {dag_id} cannot be imported. Received: {why}")
        if dag and (not before or dag.last_parsed_time != before.last_parsed_time):
            return dag
        time.sleep(0.3)
    raise StackError(f"expected Airflow to read the DAG {dag_id} within {_PARSE_SECONDS} s: see its dag-processor.log")
