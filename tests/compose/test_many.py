"""Twenty people who start a run in the same moment, and sixty who log in."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from nightlite.errors import StackError
from tests.compose.deployment import Deployment, Run, docker, wait_for
from tests.names import PIPELINE_NAME

MANY = 20
SECONDS = 120


@pytest.fixture
def paused(deployment: Deployment) -> Iterator[Deployment]:
    """Yield the deployment while its DAG is switched off, so that runs wait; none of them is left."""
    dag = f"dags/{PIPELINE_NAME}"
    with deployment.login("operator") as rest:
        wait_for("the DAG", lambda: rest.dag(PIPELINE_NAME), seconds=120)
        rest.http.patch(dag, json={"is_paused": True}).raise_for_status()
        try:
            yield deployment
        finally:
            for run in rest.runs(PIPELINE_NAME, 100):
                if not run.finished:
                    path = f"{dag}/dagRuns/{run.dag_run_id}"
                    rest.http.patch(path, json={"state": "failed"}).raise_for_status()
                    rest.http.delete(path).raise_for_status()
            rest.unpause(PIPELINE_NAME)


def test_twenty_triggers_at_once_are_twenty_runs_however_many_are_refused_first(paused: Deployment) -> None:
    refusals: list[str] = []

    def trigger(number: int) -> str:
        """Trigger a run, again until it is accepted."""

        def tried() -> str:
            try:
                return Run.trigger(rest, seed=number).run_id
            except StackError as error:
                refusals.append(str(error))
                return ""

        with paused.login("operator") as rest:
            return str(wait_for(f"a run for {number}", tried, seconds=120))

    with paused.login("viewer") as rest, ThreadPoolExecutor(MANY) as people:
        before = {run.dag_run_id for run in rest.runs(PIPELINE_NAME, 100)}
        made = list(people.map(trigger, range(MANY)))
        there = {run.dag_run_id: run for run in rest.runs(PIPELINE_NAME, 100)}
    print(f"\n{len(made)} runs, after {len(refusals)} refusals {refusals}")
    assert all(re.search(r"\(4\d\d\)", refusal) for refusal in refusals), refusals
    assert there.keys() - before == set(made) and len(set(made)) == MANY
    assert [there[run_id].conf["seed"] for run_id in made] == list(range(MANY))


def test_sixty_who_log_in_and_look_at_once_are_all_answered(deployment: Deployment) -> None:
    """Half of them guess. FAB's scrypt would need more than the container's memory; 15 connections stop the server."""
    state = "{{.State.StartedAt}} {{.RestartCount}}"
    before = docker("inspect", "--format", state, deployment.container("api-server"))

    def look(user: str) -> str:
        with deployment.login(user) as rest:
            return str(rest.dag(PIPELINE_NAME))

    def try_a_name(number: int) -> int:
        form = {"username": f"nobody-{number}", "password": "guessed"}
        return httpx.post(f"{deployment.url}/auth/token", json=form, timeout=SECONDS).status_code

    with ThreadPoolExecutor(60) as people:
        refused = people.map(try_a_name, range(30))
        answers = list(people.map(look, ["operator", "viewer"] * 15))
        assert set(refused) == {401}
    assert len(answers) == 30 and "None" not in answers
    assert docker("inspect", "--format", state, deployment.container("api-server")) == before
