"""The example with the official client: its arguments, and its exit code. It runs in end_to_end."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from models.mnist.on_device import MODEL
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.run_parameters import parameters
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.runner.parameter_text import assignments
from tests.results import node_result


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start_run", PROJECT / "docs" / "start_run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def params(pipeline: CompiledPipeline) -> dict[str, Any]:
    """Return the run parameters as Airflow's API answers them for the DAG."""
    from airflow.api_fastapi.core_api.datamodels.dags import DAGDetailsResponse
    from airflow.serialization.serialized_objects import DagSerialization

    compiled = pipeline.model_copy(update={"parameters": parameters(MODEL)})
    dag = AirflowDagRunner(AirflowPipelineConfig()).run(compiled)
    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    found: dict[str, Any] = DAGDetailsResponse.get_params(dag.params)
    return found


def test_it_takes_what_nightlite_trigger_takes(example: ModuleType, params: dict[str, Any]) -> None:
    texts = ["quantization=int8", "push=dry run", "span=7", "epochs=3", "min_accuracy=0.98", "force=true", "epoch=x=1"]
    told = example.values(texts, params)
    assert told == assignments(texts, parameters(MODEL))
    assert (told["span"], told["push"], told["epochs"], told["force"]) == ("7", "dry run", 3, True)


@pytest.mark.parametrize(
    ("outcome", "code"), [*((outcome, outcome.exit_code) for outcome in Outcome if outcome != "failed"), (None, 3)]
)
def test_its_exit_code_is_the_commands(example: ModuleType, outcome: Outcome | None, code: int) -> None:
    reason = "dry run in words alone"
    task = node_result("Pusher.mnist_lite", reason=reason, outcome=outcome)
    assert example.exit_code(task.model_dump(mode="json")) == code
