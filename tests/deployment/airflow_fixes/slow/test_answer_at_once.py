"""A real Airflow, and someone (a script, say) who answers a task as soon as it asks."""

import shutil
from pathlib import Path

from models.mnist.on_device import MODEL
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.local import start_run
from nightlite.deployment.settings import Settings
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from tests.names import PIPELINE_NAME
from tests.real_airflow import free_port, logged_in, plain_console, running_airflow
from tests.waiting import wait_until

QUESTION_DAG = Path(__file__).with_name("question_dag.py")
RUNS = 8
SECONDS = 120


def answer(rest: AirflowRest, run_id: str) -> bool:
    """Approve what the run asks; False where it does not ask yet."""
    task = f"dags/{PIPELINE_NAME}/dagRuns/{run_id}/taskInstances/approval/-1/hitlDetails"
    return bool(rest.http.patch(task, json={"chosen_options": ["Approve"]}).is_success)


def test_an_answer_at_once_is_taken(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path / "var", port=free_port())
    nodes = (Node(id="approval", type="x"),)
    CompiledPipeline(tfx_version="1.21.0", name="x", nodes=nodes, ir={}).write(settings.compiled_file(MODEL))
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(QUESTION_DAG, dags)
    with running_airflow(settings, dags) as airflow, logged_in(airflow) as rest:
        start_run.switch_on(rest, "mnist_tflite", plain_console()[0])
        silent = {rest.trigger(PIPELINE_NAME).dag_run_id for _ in range(RUNS)}

        def all_answered() -> bool:
            silent.difference_update([run_id for run_id in silent if answer(rest, run_id)])
            return not silent

        wait_until(lambda: f"questions of {silent}", all_answered, SECONDS, every=0)
        wait_until("the end of all runs", lambda: not rest.active_run(PIPELINE_NAME), SECONDS)
        states = [run.state for run in rest.runs(PIPELINE_NAME, RUNS)]
    assert states == ["success"] * RUNS
