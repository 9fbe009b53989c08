"""Airflow's database lost in the middle of a run, three times: no one has to lend a hand, and nothing is half done."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from nightlite.deployment.client.rest import AirflowRest
from nightlite.errors import StackError
from tests.compose.deployment import ANY_MODEL, Deployment, Run, docker, wait_for
from tests.names import PIPELINE_NAME

OUTAGE_SECONDS = 120
FULL_SECONDS = 30
OVER = "over"
# Another client: throws Airflow out, and takes each connection that it can get, until its stdin is closed.
GREEDY = """
import os, select, sys, psycopg2
address = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
connect = lambda: psycopg2.connect(address, application_name="greedy")
held, full = [connect()], False
held[0].autocommit = True
throw_out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
throw_out += " WHERE backend_type = 'client backend' AND application_name <> 'greedy'"
while not select.select([sys.stdin], [], [], 0.05)[0]:
    held[0].cursor().execute(throw_out)
    try:
        while True:
            held.append(connect())
    except psycopg2.OperationalError as error:
        if not full:
            print(len(held), str(error).strip(), flush=True)
        full = True
"""


def restarted(deployment: Deployment) -> None:
    docker("restart", deployment.container("postgres"))


def gone_for_two_minutes(deployment: Deployment) -> None:
    docker("stop", deployment.container("postgres"))
    time.sleep(OUTAGE_SECONDS)  # the fault itself
    docker("start", deployment.container("postgres"))


def out_of_connections(deployment: Deployment) -> None:
    command = ["docker", "exec", "-i", deployment.container("api-server"), "python", "-c", GREEDY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin and client.stdout
        assert "too many clients" in client.stdout.readline()
        time.sleep(FULL_SECONDS)  # the fault itself
        client.stdin.close()
        client.stdout.read()


def told(ask: Callable[[], Any]) -> Any:
    """Return what Airflow answers; None while it cannot."""
    try:
        return ask()
    except StackError:
        return None


def running_node(deployment: Deployment, run: Run) -> str:
    """Return a running node of the run, for Airflow and for MLMD; or OVER."""

    def node() -> str:
        tasks = run.rest.tasks(PIPELINE_NAME, run.run_id)
        if run.now().finished:
            return OVER
        running = next((task.task_id for task in tasks if task.state == "running"), "")
        return running if deployment.still_running() else ""

    return str(wait_for("a running node", lambda: told(node)))


def end(run: Run) -> str:
    """Return the run's last state, over all that its database goes through."""
    found = wait_for("the run's end", lambda: (now := told(run.now)) and now.finished and now)
    return str(found.state)


def reasons(rest: AirflowRest, run: Run) -> dict[str, list[str]]:
    """Return the last words of each task that failed."""
    tasks = rest.tasks(PIPELINE_NAME, run.run_id)
    return {
        task.task_id: rest.log_lines(PIPELINE_NAME, run.run_id, task)[-3:] for task in tasks if task.state == "failed"
    }


def going_on(deployment: Deployment, run: Run) -> tuple[Run, str]:
    """Return the run and a running node of it. Where a fault has ended the run, of another one."""
    if (node := running_node(deployment, run)) == OVER:
        why = reasons(run.rest, run)
        print(f"\nover before the last fault: {run.now()}: {why}", flush=True)
        assert run.now().state == "success" or (why and all(why.values())), why
        conf = run.now().conf
        run = Run.trigger(run.rest, **conf | {"seed": conf["seed"] + 1})
        node = running_node(deployment, run)
    assert node != OVER, run.rest.tasks(PIPELINE_NAME, run.run_id)
    return run, node


def test_a_run_outlives_what_happens_to_airflows_database(deployment: Deployment) -> None:
    with deployment.login("operator") as rest:
        run = Run.trigger(rest, seed=5, epochs=100, **ANY_MODEL)
        for fault in (restarted, gone_for_two_minutes, out_of_connections):
            run, node = going_on(deployment, run)
            print(f"\n{fault.__name__}, while {node} was running", flush=True)
            fault(deployment)
            wait_for("Airflow to answer", lambda: told(lambda: rest.dag(PIPELINE_NAME)), seconds=300)
            began = time.monotonic()
            deployment.until_well(600)  # what hangs is killed by its health check after five minutes
            print(f"all services are well {time.monotonic() - began:.0f} s later", flush=True)
        state = end(run)
        why = reasons(rest, run)
        print(f"the run ended {state}: {why}")
        assert state == "success" or (why and all(why.values())), why
        whole = docker(
            "exec", deployment.container("api-server"), "nightlite", "models", "verify", "--model=mnist", "--all"
        )
        assert "release 1:" in whole
        again = Run.trigger(rest)
        assert end(again) == "success", reasons(rest, again)
    # Also what a last try left, whose container was killed: the run after it has seen to that.
    assert deployment.still_running() == []
    deployment.until_well()
