"""The parameters that a run takes over REST, and the sentence that refuses others."""

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

from models.mnist.on_device import MODEL
from nightlite.deployment.airflow_fixes.parameter_refusal import refusal
from nightlite.errors import NodeRequestError
from nightlite.ondevice.run_parameters import checked_assignments, parameters
from nightlite.runner.compiled_pipeline import CompiledPipeline, Parameter
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.runner.in_airflow.run_values import run_values

MORE = (
    Parameter(name="code", type="str", default="ab", json_schema={"pattern": "^[a-z]{2}$"}),
    Parameter(name="even", type="int", default=2, json_schema={"multipleOf": 2}),
)


@pytest.fixture(scope="module")
def params(pipeline: CompiledPipeline) -> Any:
    """Return the run parameters, and two of other pipelines, as Airflow's API server holds them."""
    compiled = pipeline.model_copy(update={"parameters": (*parameters(MODEL), *MORE)})
    dag = AirflowDagRunner(AirflowPipelineConfig()).run(compiled)
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).params


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        ({"epochs": 501}, "epochs: expected an integer, 1 to 500. Received: 501"),
        ({"learning_rate": -1}, "learning_rate: expected a number, above 0, up to 1. Received: -1"),
        ({"force": "yes"}, "force: expected true or false. Received: 'yes'"),
        ({"push": "no"}, "push: expected one of yes, even if no better, dry run. Received: 'no'"),
        ({"min_accuracy": None}, "min_accuracy: expected a number, 0 to 1.01. Received: None"),
        *(
            ({"span": span}, f"span: expected a value such as latest or 7. Received: {span!r}")
            for span in ("07", "newest", 0, -7, 7.5, 10**9, True, None)
        ),
        ({"code": "abc"}, "code: expected a text, of the form ^[a-z]{2}$. Received: 'abc'"),
        ({"even": 3}, "even: 3 is not a multiple of 2"),
        ({"epochs": 3, "seed": "x" * 9999}, None),
    ],
)
def test_a_refused_value_is_one_sentence_without_the_schema(params: Any, conf: dict[str, Any], sentence: str) -> None:
    said = refusal("mnist_tflite", conf, params)
    if sentence:
        assert said == sentence
    else:
        assert said and said.startswith("seed: expected an integer, ") and len(said) < 200


@pytest.mark.parametrize(("span", "read"), [(7, "7"), (7.0, "7"), ("7", "7"), ("latest", "latest")])
def test_a_span_may_be_a_number_and_reaches_the_nodes_as_the_text_it_is(params: Any, span: Any, read: str) -> None:
    assert refusal("mnist_tflite", {"span": span}, params) is None
    assert run_values({"span": span}, parameters(MODEL)) == {"span": read}


def test_the_form_shows_a_span_as_it_showed_the_text(params: Any) -> None:
    """Airflow's form takes the first type, and a list of examples keeps it from a form of its own for several."""
    schema = params.get_param("span").schema
    assert schema["type"][0] == "string" and schema["examples"]


def test_a_misspelt_name_is_told_with_the_right_one_first(params: Any) -> None:
    said = refusal("mnist_tflite", {"min_acuracy": 0.9}, params) or ""
    assert said.startswith("Did you mean min_accuracy? Expected only run parameters that mnist_tflite has (")
    assert said.endswith("). Received: min_acuracy=0.9")


def test_every_refusal_lists_the_known_names_in_the_forms_order(params: Any) -> None:
    form = list(params)
    assert form != sorted(form)
    assert f"({', '.join(form)})" in (refusal("mnist_tflite", {"nope": 1}, params) or "")
    with pytest.raises(AirflowFailException) as in_a_task:
        run_values({"nope": 1}, (*parameters(MODEL), *MORE))
    assert f"({', '.join(form)})" in str(in_a_task.value)
    with pytest.raises(NodeRequestError) as on_a_command_line:
        checked_assignments(["nope=1"], MODEL)
    ours = [name for name in form if name not in {parameter.name for parameter in MORE}]
    assert str(on_a_command_line.value).endswith(f"Expected run parameters among {', '.join(ours)}")
