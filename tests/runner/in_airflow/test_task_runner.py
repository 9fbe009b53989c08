"""Whole runs in Airflow's own task runner: states, skips, retries, XComs, SIGTERM and timeouts, with SQLite."""

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.waiting import wait_until, wait_until_gone


@pytest.fixture
def run(dag_of):
    """Run a DAG of nodes {id: (behaviour, upstream, node settings)}; return each task's state, XCom and tries."""

    def execute(name: str, nodes: dict[str, tuple], conf=None):
        tasks = dag_of(name, nodes).test(run_conf=conf).get_task_instances()
        return (
            {task.task_id: str(task.state) for task in tasks},
            {task.task_id: task.xcom_pull(task_ids=task.task_id) for task in tasks},
            {task.task_id: task.try_number for task in tasks},
        )

    return execute


@pytest.fixture
def sigterm_once(tmp_path: Path):
    """Send this process, in which dag.test runs the task, what Airflow's supervisor sends a task to stop it."""
    before = signal.getsignal(signal.SIGTERM)

    def send() -> None:
        wait_until("a node", (tmp_path / "pid").exists)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=send, daemon=True).start()
    yield
    signal.signal(signal.SIGTERM, before)


def test_states_and_xcoms(run):
    states, xcoms, tries = run(
        "outcomes",
        {
            "Trainer.ok": ("succeed", (), ""),
            "Trainer.cached": ("cached", ("Trainer.ok",), ""),
            "Pusher": ("skip", ("Trainer.ok",), "'retries': 2"),
            "After.pusher": ("succeed", ("Pusher",), ""),
            "Fails": ("fail", (), ""),
            "After.fails": ("succeed", ("Fails", "Trainer.ok"), ""),
            "Refused": ("usage", (), "'retries': 2"),
            "Retried": ("fail once", (), "'retries': 2"),
        },
    )
    assert states == {
        "Trainer.ok": "success",
        "Trainer.cached": "success",
        "Pusher": "skipped",
        "After.pusher": "skipped",
        "Fails": "failed",
        "After.fails": "upstream_failed",
        "Refused": "failed",
        "Retried": "success",
    }
    assert xcoms["Trainer.ok"]["run_id"].startswith("manual__")
    assert (xcoms["Trainer.cached"]["state"], xcoms["Pusher"]["blessed"]) == ("cached", False)
    assert xcoms["Fails"]["reason"] == "ValueError: no label in features"
    assert (tries["Refused"], tries["Retried"], tries["Pusher"]) == (1, 2, 1)


def test_an_unknown_parameter_stops_the_run_before_any_node(run, tmp_path):
    states, _, tries = run("unknown", {"A": ("fail once", (), "'retries': 2")}, conf={"epoch": 3})
    assert (states, tries) == ({"A": "failed"}, {"A": 1})
    assert not (tmp_path / "pid").exists()


def test_sigterm_ends_the_node(run, sigterm_once, tmp_path):
    states, _, _ = run("killed", {"A": ("hang", (), "")})
    assert states == {"A": "failed"}
    wait_until_gone(int((tmp_path / "pid").read_text()))


def test_execution_timeout_ends_the_node(run, tmp_path, capsys):
    states, _, _ = run("slow", {"A": ("hang", (), "'execution_timeout': timedelta(seconds=20)")})
    assert states == {"A": "failed"}
    wait_until_gone(int((tmp_path / "pid").read_text()))
    assert "ran longer than its execution_timeout of 0:00:20" in capsys.readouterr().out


DAG_OF_OTHERS = """
from pathlib import Path
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from nightlite.runner.in_airflow import AirflowPipelineConfig, TfxTaskGroup

config = AirflowPipelineConfig(tfx_python={python!r}, node_settings={{"*": {{"env": {{"BEHAVE": "succeed"}}}}}})
with DAG("theirs", schedule=None, params={{"times": 4}}) as dag:
    groups = [
        TfxTaskGroup(name, pipeline=Path({compiled!r}), config=config, parameters={{"epochs": dag.param("times")}})
        for name in ("first", "second")
    ]
    EmptyOperator(task_id="before") >> groups[0] >> groups[1] >> EmptyOperator(task_id="after")
"""


def test_a_pipeline_twice_in_a_dag_of_others(airflow_home, airflow_database, stand_in, pipeline, tmp_path):
    from airflow.dag_processing.dagbag import DagBag

    pipeline.write(tmp_path / "compiled.json")
    file = airflow_home / "dags" / "theirs.py"
    file.write_text(DAG_OF_OTHERS.format(python=str(stand_in), compiled=str(tmp_path / "compiled.json")))
    # Their DAG's runs may carry anything.
    run = DagBag(str(file)).dags["theirs"].test(run_conf={"times": 9, "anything": [1]})
    tasks = {task.task_id: task for task in run.get_task_instances()}
    assert run.state == "success" and len(tasks) == 2 + 2 * len(pipeline.nodes)
    result = tasks["second.Trainer.lite"].xcom_pull(task_ids="second.Trainer.lite")
    assert (result["node_id"], result["run_id"]) == ("Trainer.lite", f"{run.run_id}@theirs@second")
