"""Conversion of a tiny model in a quantization, and golden examples of the file."""

import hashlib
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.file_contract import TFLITE_FILE
from nightlite.ondevice.contract.golden import LEAST_EXAMPLES
from nightlite.ondevice.in_tfx.answers.task_measures import measures_of
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_of
from nightlite.ondevice.in_tfx.edge_validator.one_at_a_time import compiled, interpreted
from nightlite.ondevice.in_tfx.golden_check import golden_check
from nightlite.ondevice.in_tfx.model_check.owed import blamed, function
from nightlite.ondevice.in_tfx.model_check.sample import Sample
from nightlite.ondevice.in_tfx.model_check.training import fn_args
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.quantization import TOLERANCES, Quantization


def check_conversion(
    model: OnDeviceModel, saved: Path, quantization: Quantization, sample: Sample, folder: Path
) -> str:
    """Convert the model, and run golden examples of its eval split in both of LiteRT's runtimes.

    Raises:
      ModelFileError: the file does not keep the contract, or a runtime answers differently.
      ModelDeclarationError: the model's `lite_run_fn` failed.
    """
    place = folder / quantization
    place.mkdir()
    arguments = fn_args(
        place,
        sample.files,
        base_model=str(saved),
        serving_model_dir=str(place),
        custom_config={"quantization": quantization, "contract": model.contract.model_dump_json()},
    )
    with blamed(f"quantization {quantization}", "a TFLite file of the signature lite"):
        function(model.lite_run_fn, "lite_run_fn", 1)(arguments)
    return _checked(model, place / TFLITE_FILE, quantization, sample)


def _checked(model: OnDeviceModel, file: Path, quantization: Quantization, sample: Sample) -> str:
    some = {name: values[:LEAST_EXAMPLES] for name, values in sample.inputs.items()}
    content = file.read_bytes()
    outputs = interpreted(Interpreter(model_content=content, num_threads=1), some)
    again = compiled(file, some, outputs)
    labels = [""] * len(outputs)
    sha256 = hashlib.sha256(content).hexdigest()
    tolerance = TOLERANCES[quantization] * measures_of(model.task).scale(outputs)
    golden = golden_of(sha256, tolerance, some, labels, model.output.name, outputs)
    found = golden_check(content, golden)
    if not found.passed or not np.isfinite(outputs).all():
        raise ModelFileError(f"quantization {quantization}: expected golden examples that agree. Received: {found}")
    if again.compiled_model_problem:
        raise ModelFileError(
            f"quantization {quantization}: expected a file that LiteRT's CompiledModel runs. "
            f"Received: {again.compiled_model_problem}"
        )
    return f"quantization {quantization}: {len(content):,} bytes; {found}"
