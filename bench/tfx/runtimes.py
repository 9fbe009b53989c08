"""Run a release's golden examples in three runtimes, and measure each: Interpreter, CompiledModel and LiteRT.js.

    python -m bench.tfx.runtimes RELEASE_FOLDER --result FILE

The result: a `Finding` each, for `interpreter`, `compiled_model` and `litert_js`. Python's runtimes have one thread.
LiteRT.js runs in the installed Chromium.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

from bench.tfx.model_files import RUNS, latencies
from nightlite import litert
from nightlite.ondevice.contract.golden import Golden, floats
from nightlite.ondevice.in_tfx.golden_check import GoldenCheck, difference
from nightlite.ondevice.releases.release import Release
from web import in_chromium

CALLS = 500

Array = npt.NDArray[np.float32]
Arrays = Mapping[str, Array]
Ask = Callable[[Arrays], Arrays]


class Finding(TypedDict):
    """One runtime's answers.

    `largest_difference` is that of an output from golden.json's. `fully_accelerated` is None where the runtime does
    not say. `latency_ms` has the median of one call, once a run.
    """

    examples: int
    agreeing: int
    largest_difference: float
    fully_accelerated: bool | None
    latency_ms: list[float]


def interpreter(file: Path) -> Ask:
    """Return the file as a function of one example's inputs, in the Interpreter."""
    loaded = Interpreter(model_path=str(file), num_threads=1)
    loaded.allocate_tensors()
    taken, given = litert.signature(loaded)

    def ask(inputs: Arrays) -> Arrays:
        for name, values in inputs.items():
            loaded.set_tensor(taken[name]["index"], values)
        loaded.invoke()
        return {name: loaded.get_tensor(details["index"]) for name, details in given.items()}

    return ask


def compiled_model(file: Path) -> tuple[Ask, bool]:
    """Return the same function in CompiledModel, and whether it is fully accelerated."""
    loaded = CompiledModel.from_file(str(file))
    [(key, names)] = loaded.get_signature_list().items()
    taken = {name: loaded.create_input_buffer_by_name(key, name) for name in names["inputs"]}
    given = {name: loaded.create_output_buffer_by_name(key, name) for name in names["outputs"]}
    sizes = {name: int(np.prod(details["shape"])) for name, details in loaded.get_output_tensor_details(key).items()}

    def ask(inputs: Arrays) -> Arrays:
        for name, values in inputs.items():
            taken[name].write(values)
        loaded.run_by_name(key, taken, given)
        return {name: np.asarray(buffer.read(sizes[name], np.float32)) for name, buffer in given.items()}

    return ask, loaded.is_fully_accelerated()


def in_python(ask: Ask, golden: Golden, inputs: list[Arrays], runs: int, *, fully_accelerated: bool | None) -> Finding:
    pairs = zip(inputs, golden.examples, strict=True)
    check = GoldenCheck(tuple(difference(ask(taken), example) for taken, example in pairs), golden.tolerance)
    return Finding(
        examples=len(check.differences),
        agreeing=check.agreeing,
        largest_difference=max(check.differences),
        fully_accelerated=fully_accelerated,
        latency_ms=latencies(ask, [inputs[number % len(inputs)] for number in range(CALLS)], runs)["p50"],
    )


def in_browser(folder: Path, runs: int) -> Finding:
    found = [in_chromium.golden(folder) for _ in range(runs)]
    return Finding(
        examples=found[0]["examples"],
        agreeing=min(each["agreeing"] for each in found),
        largest_difference=max(each["largest_difference"] for each in found),
        fully_accelerated=found[0]["fully_accelerated"],
        latency_ms=[each["latency_ms"] for each in found],
    )


def measure(folder: Path, runs: int = RUNS) -> dict[str, Finding]:
    """Return the findings by runtime.

    Raises:
      SystemExit: the release has no golden examples, or LiteRT's batches differ from single examples.
    """
    release = Release.read(folder)
    golden, file = release.golden(), folder / "model.tflite"
    if golden is None:
        raise SystemExit(f"expected a release with golden examples. Received: {folder}")
    shapes = {item.name: [1, *item.shape[1:]] for item in release.manifest.inputs}
    inputs: list[Arrays] = [
        {name: np.array(floats(values), np.float32).reshape(shapes[name]) for name, values in example.inputs.items()}
        for example in golden.examples
    ]
    ask, (compiled, is_accelerated) = interpreter(file), compiled_model(file)
    _require_equal_batches(file, inputs)
    return {
        "interpreter": in_python(ask, golden, inputs, runs, fully_accelerated=None),
        "compiled_model": in_python(compiled, golden, inputs, runs, fully_accelerated=is_accelerated),
        "litert_js": in_browser(folder, runs),
    }


def _require_equal_batches(file: Path, inputs: list[Arrays]) -> None:
    """Refuse a file whose answers to all examples at once, as TFMA asks, are not those to each."""
    loaded = Interpreter(model_path=str(file), num_threads=1)
    columns = {name: np.concatenate([example[name] for example in inputs]) for name in inputs[0]}
    [batch] = litert.outputs(loaded, columns, len(inputs))
    singles = np.concatenate(list(litert.outputs(loaded, columns, 1)))
    if not np.array_equal(batch, singles):
        raise SystemExit(f"expected batches to equal single examples. Received: {np.max(np.abs(batch - singles))}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tfx.runtimes", description=__doc__.split("\n")[0])
    parser.add_argument("release", type=Path, metavar="RELEASE_FOLDER")
    parser.add_argument("--result", required=True, type=Path, metavar="FILE")
    options = parser.parse_args()
    found: Any = measure(options.release)
    options.result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
