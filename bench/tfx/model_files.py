"""Measure size, load time and latency of a TFLite file and of its Keras SavedModel.

    python -m bench.tfx.model_files SAVED_MODEL TFLITE_FILE --result FILE

The result: `size` in bytes and `load` in ms as {"ours": [...], "yardstick": [...]}. `ours` and `yardstick` hold the
latency of one image in ms: `p50` of each run, `p90` and `p99` of all. One thread; the same real digits for both.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from models.mnist.data.sources import load_digits
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE
from nightlite.ondevice.in_tfx.conversion.tflite_file import TOLERANCE

RUNS = 3
WARM_UP = 100
IMAGES = 1_000

Image = npt.NDArray[np.float32]
Example = TypeVar("Example")


def load_tflite(file: Path) -> Callable[[Image], Image]:
    """Return the model as a function of one image, float32 [1, 784], to probabilities, float32 [1, 10]."""
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()

    def predict(image: Image) -> Image:
        interpreter.set_tensor(taken["index"], image)
        interpreter.invoke()
        produced: Image = interpreter.get_tensor(given["index"])
        return produced

    return predict


def load_keras(folder: Path) -> Callable[[Image], Image]:
    """Return the same function from the SavedModel's `lite` signature."""
    model = tf.saved_model.load(str(folder))
    signature = model.signatures["lite"]

    def predict(image: Image) -> Image:
        [produced] = signature(tf.constant(image)).values()
        probabilities: Image = produced.numpy()
        return probabilities

    # The signature holds the graph, but only the model its variables.
    predict.__dict__["model"] = model
    return predict


def milliseconds(call: Callable[..., object], argument: object) -> float:
    started = time.perf_counter()
    call(argument)
    return (time.perf_counter() - started) * 1000


def latencies(predict: Callable[[Example], object], examples: Sequence[Example], runs: int = RUNS) -> dict[str, Any]:
    """Return `p50` of each run, `p90` and `p99` of all runs together, in ms, after a warm-up."""
    for example in examples[:WARM_UP]:
        predict(example)
    times = np.array([[milliseconds(predict, example) for example in examples] for _ in range(runs)])
    p90, p99 = np.percentile(times, [90, 99])
    return {"p50": np.percentile(times, 50, axis=1).tolist(), "p90": float(p90), "p99": float(p99)}


def measure(folder: Path, file: Path) -> dict[str, Any]:
    digits = load_digits().train.inputs[IMAGE_KEY][:IMAGES]
    pixels = (digits.reshape(len(digits), 1, IMAGE_SIZE) / 255 - 0.5).astype(np.float32)
    images: list[Image] = list(pixels)
    tflite, keras = load_tflite(file), load_keras(folder)
    difference = max(float(np.max(np.abs(tflite(image) - keras(image)))) for image in images)
    if not difference <= TOLERANCE:
        raise SystemExit(f"expected both models to agree within {TOLERANCE}. Received: a difference of {difference}")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "size": {"ours": [file.stat().st_size], "yardstick": [size]},
        "load": {
            "ours": [milliseconds(load_tflite, file) for _ in range(RUNS)],
            "yardstick": [milliseconds(load_keras, folder) for _ in range(RUNS)],
        },
        "ours": latencies(tflite, images),
        "yardstick": latencies(keras, images),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tfx.model_files", description=__doc__.split("\n")[0])
    parser.add_argument("saved_model", type=Path, metavar="SAVED_MODEL")
    parser.add_argument("tflite_file", type=Path, metavar="TFLITE_FILE")
    parser.add_argument("--result", required=True, type=Path, metavar="FILE")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    options.result.write_text(json.dumps(measure(options.saved_model, options.tflite_file)), encoding="utf-8")


if __name__ == "__main__":
    main()
