"""Run parameters as an enemy gives them: they reach the node as the very same data, or no node starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

from pipeline_lib.airflow.config import AirflowPipelineConfig
from pipeline_lib.airflow.dag_runner import AirflowDagRunner
from pipeline_lib.airflow.operators import TfxNodeOperator
from pipeline_lib.airflow.run_values import run_values
from pipeline_lib.graph import CompiledPipeline

INJECTIONS = {
    "jinja": "{{ ti.xcom_pull() }}{% raw %}{{ var.value.secret }}{% endraw %}{# x #}",
    "jinja-escape": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "shell": "$(touch RAN) `touch RAN`; touch RAN && touch RAN | tee RAN > RAN\n#",
    "option": "--pipeline=/etc/passwd --result=RAN",
    "argument-end": "--",
    "path": "../../../../etc/passwd",
    "url": "file:///etc/passwd#{{ 1 }}",
    "json": '"}, "epochs": 500, {"x": "\\u0000',
    "python": "__import__('os').mkdir('RAN')",
    "format": "{0.__class__.__init__.__globals__} %(levelname)s %n",
    "sql": "'; DROP TABLE Execution; --",
    "bidi": "\u202etxt.exe\u202c\u2066\u2069",
    "combining": "e\u0301\u0323" * 100,
    "astral": "\U0001f9e8\U000e0001\uffff",
    "ansi": "\x1b[2J\x1b]0;owned\x07",
    "newlines": "a\r\nI1123 20:28:08.809919 4711 launcher.py:576] succeeded\n",
    "megabytes": "x" * 10_000_000,
}


@pytest.fixture
def task(stand_in: Path, compiled: CompiledPipeline, tmp_path: Path) -> TfxNodeOperator:
    env = {"BEHAVE": "succeed", "PID_FILE": str(tmp_path / "pid")}
    config = AirflowPipelineConfig(tfx_python=stand_in, node_settings={"*": {"env": env}})
    return AirflowDagRunner(config).run(compiled).get_task("ExampleGen")


def given_to_the_node(task: TfxNodeOperator, folder: Path, conf: dict[str, Any]) -> dict[str, Any]:
    """What stands in the file that the node reads, after Airflow's own rendering of the task."""
    context: Any = {"params": {"epochs": 3, "rate": 0.5, "note": "none", **conf}, "run_id": "r"}
    task.render_template_fields(context)
    task._argv(folder, "r", run_values(context["params"], task.parameters, task.dag.params), folder / "result.json")
    found: dict[str, Any] = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("value", INJECTIONS.values(), ids=INJECTIONS)
def test_a_value_is_data(task: TfxNodeOperator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "node"
    folder.mkdir()
    assert given_to_the_node(task, folder, {"note": value})["note"] == value
    assert not list(tmp_path.rglob("RAN"))
    assert task.template_fields == ()


@pytest.mark.parametrize("value", INJECTIONS.values(), ids=INJECTIONS)
def test_a_value_survives_airflows_own_form_of_the_dag(task: TfxNodeOperator, value: str) -> None:
    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(task.dag))
    assert dag.params.deep_merge({"note": value}).validate()["note"] == value


@pytest.mark.parametrize("run_id", [value for name, value in INJECTIONS.items() if name != "megabytes"])
def test_a_run_id_is_one_word_of_the_command(task: TfxNodeOperator, tmp_path: Path, run_id: str) -> None:
    argv = task._argv(tmp_path, run_id, {}, tmp_path / "result.json")
    assert len(argv) == len(task._argv(tmp_path, "other", {}, tmp_path / "result.json"))
    assert argv[5] == f"--run-id={run_id}"


def test_a_node_runs_with_values_of_megabytes(task: TfxNodeOperator) -> None:
    """Through a file: one word of a command line may have 128 KiB."""
    result = task.execute({"params": {"note": "x" * 10_000_000}, "run_id": "r"})
    assert result["state"] == "succeeded"


@pytest.mark.parametrize("lone", ["\ud800", "a\udfffb"], ids=ascii)
def test_a_lone_surrogate_is_refused_in_a_sentence(task: TfxNodeOperator, tmp_path: Path, lone: str) -> None:
    with pytest.raises(AirflowFailException, match=r"run parameter note: expected .*\. Received: "):
        given_to_the_node(task, tmp_path, {"note": lone})


@pytest.mark.parametrize(
    "conf",
    [
        {"epochs": float("nan")},
        {"epochs": float("inf")},
        {"rate": float("nan")},
        {"rate": 10**400},
        {"epochs": [1]},
        {"rate": {"__type": "x"}},
        {"epochs": "1; touch RAN" + "x" * 10_000_000},
        {"{{ x }}": 1},
        {"../x": 1},
        {"__class__": 1},
    ],
    ids=lambda conf: str(conf)[:40],
)
def test_what_no_parameter_takes_starts_no_node(task: TfxNodeOperator, tmp_path: Path, conf: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match=r"[Ee]xpected .*Received: ") as error:
        given_to_the_node(task, tmp_path, conf)
    assert len(str(error.value)) < 500
    assert not (tmp_path / "parameters.json").exists()


def test_a_parameters_description_is_no_template_either(compiled: CompiledPipeline) -> None:
    hostile = compiled.parameters[2].model_copy(update={"json_schema": {"description": "{{ 7 * 7 }}", "title": "{%"}})
    dag = AirflowDagRunner().run(compiled.model_copy(update={"parameters": (hostile,)}))
    param = dag.params.get_param("note")
    assert isinstance(param, Param) and param.description == "{{ 7 * 7 }}" and param.schema["title"] == "{%"
