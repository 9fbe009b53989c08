import pytest
from pydantic import ValidationError

from models.mnist.on_device import MODEL
from nightlite.errors import ModelDeclarationError, NodeRequestError
from nightlite.ondevice.run_parameters import checked_assignments, parameters
from nightlite.ondevice.settings import run_default_fields
from nightlite.runner.parameter_text import assignments
from tests.names import RunParams
from tests.small_models.glucose import MODEL as GLUCOSE


def test_every_field_is_a_parameter_with_its_default():
    assert {parameter.name: parameter.default for parameter in parameters(MODEL)} == RunParams().model_dump()


def test_the_least_app_version_is_said_by_a_run_and_never_by_a_deployment():
    assert RunParams().least_app_version == 0
    assert "least_app_version" not in run_default_fields(MODEL).model_fields
    assert checked_assignments(["least_app_version=2"], MODEL) == {"least_app_version": 2}
    with pytest.raises(NodeRequestError, match="expected int, 0 to 2100000000. Received: -1"):
        checked_assignments(["least_app_version=-1"], MODEL)


def test_bounds_go_along():
    epochs = next(parameter for parameter in parameters(MODEL) if parameter.name == "epochs")
    assert (epochs.type, epochs.json_schema["minimum"], epochs.json_schema["maximum"]) == ("int", 1, 500)
    assert "default" not in epochs.json_schema


def test_a_choice_is_a_string_of_which_airflow_knows_the_values():
    quantization = next(parameter for parameter in parameters(MODEL) if parameter.name == "quantization")
    assert (quantization.type, quantization.json_schema["enum"]) == ("str", ["none", "dynamic", "float16", "int8"])


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"epochs": "many"},
        {"epoch": 3},
        {"learning_rate": 0},
        {"quantization": "int4"},
        {"span": "latest\n"},
    ],
)
def test_what_it_refuses(values):
    with pytest.raises(ValidationError):
        RunParams(**values)


def test_the_form_has_its_sections_in_order_and_a_label_forevery_choice() -> None:
    sections = [parameter.json_schema["section"] for parameter in parameters(MODEL)]
    assert list(dict.fromkeys(sections)) == ["Training", "File", "Gates", "Data", "Run"]
    assert sections == sorted(sections, key=["Training", "File", "Gates", "Data", "Run"].index)
    for parameter in parameters(MODEL):
        schema = parameter.json_schema
        assert set(schema.get("values_display", {})) == set(schema.get("enum", ()))
        assert schema["title"] and schema["description"]


def test_what_a_command_line_says_is_of_the_parameters_type() -> None:
    said = assignments(
        ["epochs=3", "force=true", "push=dry run", "quantization=none", "approval=1", "span=7", "x=[1]", "y=a=b"],
        parameters(MODEL),
    )
    assert said == {
        **{"epochs": 3, "force": True, "push": "dry run", "quantization": "none", "approval": "1", "span": "7"},
        **{"x": [1], "y": "a=b"},
    }
    with pytest.raises(NodeRequestError, match="expected NAME=VALUE. Received: 'epochs'"):
        assignments(["epochs"], parameters(MODEL))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["min_accuracy=NaN"], "finite numbers .* Received: 'min_accuracy=NaN'$"),
        (["min_accuracy=1e999"], "finite numbers .* Received: 'min_accuracy=1e999'$"),
        (["x=[-Infinity]"], "finite numbers"),
        (["span=\udcff"], "whole characters"),
        (["\udcff=1"], "whole characters"),
    ],
)
def test_what_no_request_can_hold_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(NodeRequestError, match=f"^--param: expected .*{said}") as error:
        assignments(texts, parameters(MODEL))
    str(error.value).encode()


def test_what_is_no_json_is_a_text_for_airflow_to_refuse() -> None:
    for text in ("many", "1" * 5000, "[" * 100_000):
        assert assignments([f"epochs={text}"], parameters(MODEL)) == {"epochs": text}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch=2", "Did you mean epochs? Received: epoch. Expected run parameters among epochs, batch_size"),
        ("epochs=0", "run parameter 'epochs': expected int, 1 to 500. Received: 0"),
        ("epochs=two", "run parameter 'epochs': expected int, 1 to 500. Received: \"two\""),
        (
            "push=maybe",
            "run parameter 'push': expected str, `yes`, `even if no better`, `dry run`. Received: \"maybe\"",
        ),
        ("as_of=2026-01-01", "Received: as_of. Expected run parameters among epochs"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(text: str, sentence: str) -> None:
    with pytest.raises(NodeRequestError) as caught:
        checked_assignments([text], MODEL)
    assert str(caught.value).startswith(sentence)
    assert checked_assignments(["epochs=3", "min_accuracy=1", "span=7"], MODEL) == {
        "epochs": 3,
        "min_accuracy": 1,
        "span": "7",
    }


def test_a_regression_has_its_own_gates_alone_in_the_unit_of_its_label() -> None:
    found = {parameter.name: parameter for parameter in parameters(GLUCOSE)}
    assert found["max_mean_error"].default == 55.0
    assert found["max_mean_error"].json_schema["description"] == "Mean absolute error, in points; -1 refuses everything"
    assert found["max_output_difference"].default == 0.5
    only = {"min_accuracy", "min_class_accuracy", "max_loss", "min_accuracy_change", "min_label_share"}
    assert not only & found.keys() and only <= {parameter.name for parameter in parameters(MODEL)}
    assert not {"max_mean_error", "max_p95_error"} & {parameter.name for parameter in parameters(MODEL)}


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        (
            {"max_p95_error": 130},
            "glucose: expected gate_bounds of a regression, in points, for no default fits every label. Received: none "
            "of max_mean_error, max_mean_error_change, max_output_difference, max_mean_output_difference",
        ),
        (
            {**GLUCOSE.gate_bounds, "min_accuracy": 0.9},
            "glucose: expected gate_bounds of a regression's gates. Received: min_accuracy",
        ),
    ],
)
def test_the_bounds_of_a_regression_are_its_own(bounds: dict[str, float], sentence: str) -> None:
    with pytest.raises(ModelDeclarationError) as caught:
        parameters(GLUCOSE.model_copy(update={"gate_bounds": bounds}))
    assert str(caught.value) == sentence
