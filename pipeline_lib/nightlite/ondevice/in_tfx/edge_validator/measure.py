"""Measure a TFLite file in the runtime that ships. This docstring is the contract with EdgeValidator, the caller.

    python -m nightlite.ondevice.in_tfx.edge_validator.measure FILE [BASELINE] --inputs FOLDER --threads N
                                                               --outputs FILE.npy --result FILE

FILE, BASELINE    TFLite files. The second one's load time and latency are measured in turn with the first one's.
--inputs          `SpooledInputs`, float32. `--outputs` uses all of them, batch by batch; the figures use the first.
--threads         of the interpreter.
--outputs         `ArrayFile` that receives the first file's output for each batch, float32 [k, classes].
--result          receives a JSON list of `Measurements`, one for each file. With exit code 3 it is a JSON string
                  that describes what was found instead.

Exit code: 0 if both files ran. 3 if the runtime cannot load FILE or run it on the examples. 3 also if FILE does not
have exactly one signature, with these inputs and one output. 1 if either is true of BASELINE, with one sentence on
stderr. A signal is a crash in the runtime.

The process is fresh and imports nothing of TensorFlow, so memory and times are the runtime's own. It uses the
default delegates: XNNPACK is on if LiteRT has it.
"""

import argparse
import importlib.metadata
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
from ai_edge_litert.interpreter import Interpreter

from nightlite import litert
from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.file_contract import FileContract
from nightlite.ondevice.gates.measurements import Measurements, Percentiles
from nightlite.ondevice.in_tfx.answers.spool import ArrayFile, SpooledInputs
from nightlite.ondevice.in_tfx.conversion.file_tensors import tensors

EXIT_UNUSABLE = 3
_LOADS = 5
_WARM_UP = 20
_ROUNDS = 20
_CALLS_PER_ROUND = 50

Array = npt.NDArray[np.float32]
Inputs = Mapping[str, Array]


class Loaded:
    """One file in an interpreter."""

    def __init__(self, file: Path, threads: int) -> None:
        self.interpreter = Interpreter(model_path=str(file), num_threads=threads)
        self.interpreter.allocate_tensors()
        signatures = [(item["inputs"], item["outputs"]) for item in self.interpreter.get_signature_list().values()]
        if [len(given) for _, given in signatures] != [1] or not signatures[0][0]:
            names = "; ".join(f"{', '.join(taken)} to {', '.join(given)}" for taken, given in signatures)
            raise ValueError(f"{len(signatures)} signatures ({names})" if signatures else "no signature")
        self.taken, given = litert.signature(self.interpreter)
        [output] = tensors(given)
        self.contract = FileContract(inputs=tensors(self.taken), output=output)

    def invoke(self, inputs: Inputs) -> None:
        for name, values in inputs.items():
            self.interpreter.set_tensor(self.taken[name]["index"], values)
        self.interpreter.invoke()


def measure(files: Sequence[Path], inputs: SpooledInputs, threads: int) -> tuple[list[Measurements], Iterator[Array]]:
    """Return the figures of each file, and the first one's outputs for each batch.

    Peak memory is measured first, because it belongs to the process and only grows.

    Raises:
      ModelFileError: the runtime cannot load a file or run it. The file is the error's second argument.
    """
    first = inputs.first(_CALLS_PER_ROUND)
    count = len(next(iter(first.values())))
    singles = [{name: values[index : index + 1] for name, values in first.items()} for index in range(count)]
    memory, models = [], []
    for file in files:
        before = psutil.Process().memory_info().rss
        models.append(_tried(file, threads, singles[:_WARM_UP]))
        memory.append((peak_resident_bytes() - before) / 2**20)
    loads = [[_milliseconds(lambda file=file: Loaded(file, threads)) for file in files] for _ in range(_LOADS)]
    # In turn, so that other load on the host slows both down.
    calls: list[list[float]] = [[] for _ in files]
    for _ in range(_ROUNDS):
        for model, times in zip(models, calls, strict=True):
            times += [_milliseconds(lambda single=single, model=model: model.invoke(single)) for single in singles]
    measured = [
        Measurements(
            size_bytes=file.stat().st_size,
            load_ms=float(np.median([load[index] for load in loads])),
            latency_ms=_percentiles(calls[index]),
            threads=threads,
            peak_memory_mib=memory[index],
            contract=model.contract,
            litert_version=importlib.metadata.version("ai-edge-litert"),
        )
        for index, (file, model) in enumerate(zip(files, models, strict=True))
    ]
    return measured, _outputs(files[0], models[0], inputs)


def _outputs(file: Path, model: Loaded, inputs: SpooledInputs) -> Iterator[Array]:
    try:
        for batch in inputs:
            yield from litert.outputs(model.interpreter, batch, len(next(iter(batch.values()))))
    except (ValueError, RuntimeError) as error:
        raise _unusable(file, model, f"on more than one example: {error}") from None


def _tried(file: Path, threads: int, singles: Sequence[Inputs]) -> Loaded:
    model = None
    try:
        model = Loaded(file, threads)
        litert.require_inputs(model.taken, singles[0])
        for single in singles:
            model.invoke(single)
    except (ValueError, RuntimeError) as error:
        raise _unusable(file, model, str(error)) from None
    return model


def _unusable(file: Path, model: Loaded | None, error: str) -> ModelFileError:
    found = f"{model.contract}: " if model else ""
    return ModelFileError(f"{found}LiteRT cannot load it or run it: {error}", file)


def _percentiles(milliseconds: list[float]) -> Percentiles:
    p50, p90, p95, p99 = np.percentile(milliseconds, [50, 90, 95, 99]).tolist()
    return Percentiles(p50=p50, p90=p90, p95=p95, p99=p99)


def peak_resident_bytes() -> int:
    """Return the largest resident memory that this process ever had.

    On Linux it comes from /proc, because getrusage's ru_maxrss starts with the parent's value before exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def _milliseconds(call: Any) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m nightlite.ondevice.in_tfx.edge_validator.measure", description=__doc__.split("\n")[0]
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--outputs", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    try:
        measured, outputs = measure(options.files, SpooledInputs(options.inputs), options.threads)
        ArrayFile(options.outputs).write(outputs)
    except ModelFileError as error:
        found, file = error.args
        print(f"{file}: {found}", file=sys.stderr)
        options.result.write_text(json.dumps(found), encoding="utf-8")
        return EXIT_UNUSABLE if file == options.files[0] else 1
    options.result.write_text(json.dumps([item.model_dump() for item in measured]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
