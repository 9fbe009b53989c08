"""Golden examples of the real network, in every mode: they agree in LiteRT, and not after wrong preprocessing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE, LABELS
from nightlite.ondevice.contract.golden import Golden, floats, numbers
from nightlite.ondevice.in_tfx.conversion.quantization import quantize
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_first, golden_of
from nightlite.ondevice.in_tfx.edge_validator.processes import run_one_at_a_time
from nightlite.ondevice.in_tfx.golden_check import golden_check
from nightlite.ondevice.quantization import TOLERANCES
from tests.models.mnist.made_digits import Examples

Data = tuple[Examples, Examples]
Change = Callable[[np.ndarray], np.ndarray]
# What an app's developer gets wrong: nothing scaled, nothing centred, dark on light, columns for rows.
WRONG: dict[str, Change] = {
    "grey levels": lambda image: (image + 0.5) * 255,
    "0 to 1": lambda image: image + 0.5,
    "inverted": lambda image: -image,
    "by columns": lambda image: image.reshape(IMAGE_SIDE, IMAGE_SIDE).T.ravel(),
}


def changed(golden: Golden, change: Change) -> Golden:
    examples = []
    for example in golden.examples:
        image = change(np.array(floats(example.inputs[IMAGE_KEY]), np.float32))
        examples.append(example.model_copy(update={"inputs": {IMAGE_KEY: numbers(image.tolist())}}))
    return golden.model_copy(update={"examples": tuple(examples)})


@pytest.mark.parametrize("mode", TOLERANCES)
def test_they_agree_and_wrong_preprocessing_is_found(float_file: bytes, data: Data, tmp_path: Path, mode: str) -> None:
    file = tmp_path / "tflite"
    file.write_bytes(float_file)
    if mode != "none":
        quantize(file, mode, {IMAGE_KEY: data[0].images[:256]})  # type: ignore[arg-type]
    inputs, labels = {IMAGE_KEY: data[1].images}, data[1].labels
    indices, count = golden_first([inputs], labels, len(labels))
    chosen = {IMAGE_KEY: data[1].images[indices[:count]]}
    outputs, compiled = run_one_at_a_time(file, chosen)
    names = [LABELS[label] for label in labels[indices[:count]]]
    golden = golden_of("0" * 64, TOLERANCES[mode], chosen, names, "probabilities", outputs)
    assert len(golden.model_dump_json()) < 64 * 1024
    assert golden_check(file.read_bytes(), golden).passed and compiled.compiled_model_difference is not None
    for name, change in WRONG.items():
        check = golden_check(file.read_bytes(), changed(golden, change))
        print(f"{mode}, {name}: {check}")
        assert not check.passed, name
