import pytest
from pydantic import ValidationError

from pipeline_lib.run_params import RunParams, parameters


def test_every_field_is_a_parameter_with_its_default():
    assert {parameter.name: parameter.default for parameter in parameters()} == RunParams().model_dump()


def test_bounds_go_along():
    epochs = next(parameter for parameter in parameters() if parameter.name == "epochs")
    assert (epochs.type, epochs.json_schema["minimum"], epochs.json_schema["maximum"]) == ("int", 1, 500)
    assert "default" not in epochs.json_schema


@pytest.mark.parametrize("values", [{"epochs": 0}, {"epochs": "many"}, {"epoch": 3}, {"learning_rate": 0}])
def test_what_it_refuses(values):
    with pytest.raises(ValidationError):
        RunParams(**values)
