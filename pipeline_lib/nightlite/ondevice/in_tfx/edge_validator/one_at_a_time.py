"""Run a TFLite file on one example at a time, as apps do, in both of LiteRT's runtimes. EdgeValidator is the caller.

    python -m nightlite.ondevice.in_tfx.edge_validator.one_at_a_time FILE --inputs FOLDER --outputs FILE.npy
                                                                     --result FILE

FILE         TFLite file that the Interpreter can run.
--inputs     `SpooledInputs`, float32, so few that memory holds them.
--outputs    receives the Interpreter's output for every example, float32 [n, classes].
--result     receives a `CompiledModelRun` as JSON: what CompiledModel, the API that LiteRT recommends, answers.

Exit code: 0 also if CompiledModel cannot run the file, which the result says. A signal is a crash in it. The outputs
are written before it starts.

The process is fresh, so that what CompiledModel loads is in no figure of `measure`'s.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

from nightlite import litert, native_log
from nightlite.ondevice.gates.measurements import CompiledModelRun
from nightlite.ondevice.in_tfx.answers.spool import SpooledInputs
from nightlite.ondevice.in_tfx.edge_validator.measure import Array, Inputs


def singles(inputs: Inputs) -> Iterator[Inputs]:
    """Yield each example by itself, arrays [1, …] by the names of the inputs."""
    for index in range(len(next(iter(inputs.values())))):
        yield {name: values[index : index + 1] for name, values in inputs.items()}


def interpreted(interpreter: Interpreter, inputs: Inputs) -> Array:
    """Return the Interpreter's output for each example, float32 [n, classes]."""
    return np.concatenate(
        [output for example in singles(inputs) for output in litert.answer(interpreter, example).values()]
    )


def compiled(file: Path, inputs: Inputs, expected: Array) -> CompiledModelRun:
    """Return the result of CompiledModel on the same examples.

    Args:
      expected: the Interpreter's outputs.
    """
    if opened := open_batch(file):
        return CompiledModelRun(compiled_model_problem=opened)
    try:
        with native_log.muted():  # a line for each accelerator that this machine lacks
            model = CompiledModel.from_file(str(file))
        outputs = np.stack(list(compiled_outputs(model, inputs, expected.shape[1:])))
    except (ValueError, RuntimeError) as error:
        return CompiledModelRun(compiled_model_problem=f"CompiledModel cannot run it: {error}")
    difference = float(np.max(np.abs(outputs - expected)))
    return CompiledModelRun(
        compiled_model_examples=len(outputs),
        compiled_model_difference=difference if np.isfinite(difference) else None,
        fully_accelerated=model.is_fully_accelerated(),
    )


def compiled_outputs(model: CompiledModel, inputs: Inputs, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield the output for each example, float32 of this shape. CompiledModel knows no order of the inputs."""
    [(key, names)] = model.get_signature_list().items()
    [output] = names["outputs"]
    taken = {name: model.create_input_buffer_by_name(key, name) for name in names["inputs"]}
    given = model.create_output_buffer_by_name(key, output)
    litert.require_inputs(taken, inputs)
    for example in singles(inputs):
        for name, values in example.items():
            taken[name].write(values)
        model.run_by_name(key, taken, {output: given})
        yield np.array(given.read(int(np.prod(shape)), np.float32)).reshape(shape)


def open_batch(file: Path) -> str:
    """Return what is open about the file's shapes, in words, or "" if they are closed."""
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    shapes = {
        name: [int(size) for size in details["shape_signature"]]
        for details_by_name in litert.signature(interpreter)
        for name, details in details_by_name.items()
    }
    opened = [f"{name} {shape}" for name, shape in shapes.items() if -1 in shape]
    return f"CompiledModel takes closed shapes only, such as [1, …]; the file has {', '.join(opened)}" if opened else ""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m nightlite.ondevice.in_tfx.edge_validator.one_at_a_time", description=__doc__.split("\n")[0]
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    for name in ("--inputs", "--outputs", "--result"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    inputs = SpooledInputs(options.inputs).first(None)
    expected = interpreted(Interpreter(model_path=str(options.file), num_threads=1), inputs)
    np.save(options.outputs, expected)
    options.result.write_text(compiled(options.file, inputs, expected).model_dump_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
