"""The tiny table's declaration, as Airflow's environment reads it."""

import subprocess
import sys

from nightlite.ondevice.run_parameters import run_params
from nightlite.paths import PROJECT
from tests.tiny_table.on_device import MODEL

_CODE = """
import sys
from tests.tiny_table.on_device import MODEL
from nightlite.ondevice.run_parameters import run_params
run_params(MODEL)
print(MODEL.contract, {"tensorflow", "keras", "tfx", "numpy", "sklearn"} & set(sys.modules))
"""


def test_it_is_a_model_of_four_inputs_with_bounds_of_its_own() -> None:
    assert [tensor.name for tensor in MODEL.contract.inputs] == [feature.tensor.name for feature in MODEL.features]
    assert len(MODEL.features) == 4 and MODEL.contract.output.shape == (1, len(MODEL.labels))
    assert run_params(MODEL)().min_accuracy == MODEL.gate_bounds["min_accuracy"] != 0.97
    assert MODEL.show is None and MODEL.pipeline_name == "iris_tflite"


def test_its_declaration_imports_no_framework() -> None:
    command = [sys.executable, "-c", _CODE]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sepal_length float32[1, 1], ") and done.stdout.endswith(" set()\n")
