"""Measure how far LiteRT's runtimes differ on the same file, for decision 6.

    .venvs/tfx/bin/python -m bench.tfx.tolerances

It prints a table in Markdown. It trains MNIST's network as `make demo` does, and converts it in every quantization.
Then it asks each runtime about the 1,000 images of mnist5k's eval split, one at a time. The differences are from the
Interpreter's outputs with its default delegates (XNNPACK) on one thread.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from models.mnist.data.sources import load_mnist5k
from models.mnist.model import trainer
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LABEL_KEY, LABELS, LITE_CONTRACT, transformed_name
from models.mnist.model.training_parameters import TrainingParams
from models.mnist.on_device import MODEL
from nightlite import native_log
from nightlite.ondevice.in_tfx.conversion.lite_trainer import convert
from nightlite.ondevice.in_tfx.conversion.quantization import quantize
from nightlite.ondevice.in_tfx.edge_validator import one_at_a_time
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_of
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from nightlite.ondevice.in_tfx.ingest.tfrecords import scale
from nightlite.ondevice.in_tfx.training_input import TransformedExamples
from nightlite.ondevice.quantization import TOLERANCES
from web import in_chromium

CALIBRATED = 256
Array = npt.NDArray[np.float32]
Inputs = Mapping[str, Array]


def interpreted(file: Path, inputs: Inputs, threads: int = 1, kernels: OpResolverType = OpResolverType.AUTO) -> Array:
    interpreter = Interpreter(model_path=str(file), num_threads=threads, experimental_op_resolver_type=kernels)
    return one_at_a_time.interpreted(interpreter, inputs)


def compiled(file: Path, inputs: Inputs) -> Array:
    outputs = one_at_a_time.compiled_outputs(CompiledModel.from_file(str(file)), inputs, (1, len(LABELS)))
    return np.concatenate(list(outputs))


RUNTIMES: Mapping[str, Callable[[Path, Inputs], Array]] = {
    "Interpreter, 2 threads": lambda file, inputs: interpreted(file, inputs, threads=2),
    "Interpreter, 4 threads": lambda file, inputs: interpreted(file, inputs, threads=4),
    "CompiledModel": compiled,
    "Interpreter without XNNPACK": lambda file, inputs: interpreted(
        file, inputs, kernels=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    ),
    "Interpreter, reference kernels": lambda file, inputs: interpreted(
        file, inputs, kernels=OpResolverType.BUILTIN_REF
    ),
}


def in_browser(file: Path, inputs: Inputs, expected: Array, folder: Path) -> str:
    """Return the difference of LiteRT.js in the installed Chromium, as a cell of the table."""
    if in_chromium.missing():
        return "not run"
    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    golden_of(sha256, 1.0, inputs, [""] * len(expected), LITE_CONTRACT.output.name, expected).write(folder)
    (folder / "model.tflite").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "sha256": sha256}), encoding="utf-8")
    return f"{in_chromium.golden(folder)['largest_difference']:.2g}"


def images(split: Split) -> Array:
    """Return a split's images as a span has them: float32 [n, 784]."""
    return scale(split.inputs[IMAGE_KEY], MODEL.features[0].meaning)


def transformed(split: Split) -> TransformedExamples:
    """Return a split as a trainer reads it. MNIST's Transform changes nothing but names."""
    columns = {transformed_name(IMAGE_KEY): images(split), transformed_name(LABEL_KEY): split.labels.astype(np.int64)}
    return TransformedExamples(len(split), tf.data.Dataset.from_tensor_slices(columns).batch(256), len(split))


def trained(dataset: Dataset, folder: Path) -> Path:
    """Return the float file of a new network."""
    train, evaluation = transformed(dataset.train), transformed(dataset.eval)
    network = trainer.train(train, evaluation, TrainingParams(), str(folder / "logs"))
    spec = tf.TensorSpec([None, IMAGE_SIZE], tf.float32, name=IMAGE_KEY)
    archive = keras.export.ExportArchive()
    archive.track(network)
    outputs = LITE_CONTRACT.output.name
    archive.add_endpoint("lite", tf.function(lambda x: {outputs: network(x)}, input_signature=[spec]))
    archive.write_out(str(folder / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(folder / "saved"))
    return convert(loaded, loaded.signatures["lite"], str(folder / "lite"))


def column(float_file: Path, quantization: str, calibration: Inputs, inputs: Inputs, folder: Path) -> list[str]:
    """Return the cells of one quantization, in the order of the table's rows."""
    file = folder / quantization
    file.write_bytes(float_file.read_bytes())
    if quantization != "none":
        quantize(file, quantization, calibration)  # type: ignore[arg-type]
    expected = interpreted(file, inputs)
    differences = [np.max(np.abs(ask(file, inputs) - expected)) for ask in RUNTIMES.values()]
    cells = [f"{difference:.2g}" for difference in differences]
    return [*cells, in_browser(file, inputs, expected, folder), f"{TOLERANCES[quantization]:g}"]


def main() -> None:
    dataset = load_mnist5k()
    with tempfile.TemporaryDirectory() as temporary, native_log.muted():
        folder = Path(temporary)
        float_file = trained(dataset, folder)
        calibration, inputs = {IMAGE_KEY: images(dataset.train)[:CALIBRATED]}, {IMAGE_KEY: images(dataset.eval)}
        columns = [column(float_file, name, calibration, inputs, folder) for name in TOLERANCES]
    print(f"| largest difference | {' | '.join(TOLERANCES)} |\n| --- |{' --- |' * len(TOLERANCES)}")
    for name, cells in zip(
        (*RUNTIMES, "LiteRT.js in Chromium", "**tolerance**"), zip(*columns, strict=True), strict=True
    ):
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
