"""Twenty people trigger, and a hundred look, at the same moment."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nightlite.deployment.client.answers import DagRun
from tests.end_to_end.conftest import Deployment
from tests.real_airflow import logged_in
from tests.waiting import wait_until

COUNT = 20
PAUSED = "often"  # the project's pipeline: its runs wait in the queue, and no node runs


@pytest.fixture
def queue(deployment: Deployment) -> Iterator[set[str]]:
    """Yield the runs of the paused DAG before the test. The test's own are removed after it."""
    wait_until(f"the DAG {PAUSED}", lambda: deployment.rest.dag(PAUSED))
    before = set(runs_of(deployment))
    yield before
    for run_id in set(runs_of(deployment)) - before:
        deployment.rest.http.delete(f"dags/{PAUSED}/dagRuns/{run_id}").raise_for_status()


def runs_of(deployment: Deployment) -> dict[str, DagRun]:
    return {run.dag_run_id: run for run in deployment.rest.runs(PAUSED, limit=100)}


def test_twenty_triggers_at_once_are_twenty_runs_each_told_its_own(deployment: Deployment, queue: set[str]) -> None:
    together = threading.Barrier(COUNT)

    def trigger(number: int) -> DagRun:
        with logged_in(deployment.airflow) as rest:
            rest.dag(PAUSED)  # it has its token by now
            together.wait(300)
            return rest.trigger(PAUSED, {"epochs": number})

    with ThreadPoolExecutor(COUNT) as threads:
        answers = list(threads.map(trigger, range(1, COUNT + 1)))
    found: dict[str, Any] = {run_id: run.conf for run_id, run in runs_of(deployment).items() if run_id not in queue}
    assert found == {run.dag_run_id: {"epochs": number} for number, run in enumerate(answers, start=1)}
    assert len(found) == COUNT
    assert {run.state for run in answers} == {"queued"}


def test_a_hundred_looks_at_once_are_all_answered(deployment: Deployment) -> None:
    """With as many connections to the database as Airflow has by default, they stop the API server for minutes."""

    def look(number: int) -> bool:
        with logged_in(deployment.airflow) as rest:
            return rest.dag(PAUSED) is not None

    wait_until(f"the DAG {PAUSED}", lambda: deployment.rest.dag(PAUSED))
    log = deployment.airflow.log_folder / "api-server.log"
    before = log.stat().st_size
    with ThreadPoolExecutor(100) as people:
        assert all(people.map(look, range(100)))
    assert "QueuePool limit" not in log.read_bytes()[before:].decode(errors="replace")
