import pytest
from pydantic import ValidationError

from pipeline_lib.places import PROJECT
from pipeline_lib.run_params import RunParams, parameters
from pipeline_lib.settings import Settings


def test_every_field_is_a_parameter_with_its_default():
    assert {parameter.name: parameter.default for parameter in parameters()} == RunParams().model_dump()


def test_bounds_go_along():
    epochs = next(parameter for parameter in parameters() if parameter.name == "epochs")
    assert (epochs.type, epochs.json_schema["minimum"], epochs.json_schema["maximum"]) == ("int", 1, 500)
    assert "default" not in epochs.json_schema


def test_a_choice_is_a_string_of_which_airflow_knows_the_values():
    quantization = next(parameter for parameter in parameters() if parameter.name == "quantization")
    assert (quantization.type, quantization.json_schema["enum"]) == ("str", ["none", "dynamic", "float16", "int8"])


@pytest.mark.parametrize(
    "values", [{"epochs": 0}, {"epochs": "many"}, {"epoch": 3}, {"learning_rate": 0}, {"quantization": "int4"}]
)
def test_what_it_refuses(values):
    with pytest.raises(ValidationError):
        RunParams(**values)


def test_the_readme_tells_every_parameter_and_its_default() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for name, field in RunParams.model_fields.items():
        default = field.default if isinstance(field.default, str) else f"{field.default:g}"
        assert f"| `{name}` | {default} |" in readme


def test_the_readme_tells_every_setting() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for name in Settings.model_fields:
        assert f"`MNIST_LITE_{name.upper()}`" in readme
