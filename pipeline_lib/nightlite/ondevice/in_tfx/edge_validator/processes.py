"""Processes in which EdgeValidator runs files. A crash or a hang counts against the file: it must not reach a phone."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from nightlite.errors import ModelFileError, NightliteError
from nightlite.ondevice.gates.measurements import CompiledModelRun, Measurements
from nightlite.ondevice.in_tfx.answers.spool import ArrayFile, SpooledInputs
from nightlite.ondevice.in_tfx.answers.tally import Floats
from nightlite.ondevice.in_tfx.edge_validator.measure import EXIT_UNUSABLE
from nightlite.ondevice.in_tfx.raw_examples import Inputs
from nightlite.paths import SOURCES

# A process may take that long for one batch of examples, however many batches there are.
_SECONDS = 600
_MEASUREMENTS = TypeAdapter(list[Measurements])


def measure_in_child(
    files: Sequence[Path], inputs: SpooledInputs, threads: int
) -> tuple[list[Measurements], list[ArrayFile]]:
    """Return `measure`'s figures of a file and its baseline, taken in fresh processes, and each one's answers.

    One process times both in turn. The second's memory peak comes from a process of its own. The answers lie in new
    folders beside the inputs' own.

    Raises:
      ModelFileError: LiteRT cannot run the first file. The message describes what was found instead.
      NightliteError: the process failed otherwise.
    """
    measured, outputs = measure_together(files, inputs, threads)
    if len(files) == 1:
        return measured, [outputs]
    candidate, baseline = measured
    try:
        [alone], others = measure_together(files[1:], inputs, threads)
    except ModelFileError as error:
        raise NightliteError(f"the last release {files[1]} cannot be run on its own: {error}") from None
    return [candidate, baseline.model_copy(update={"peak_memory_mib": alone.peak_memory_mib})], [outputs, others]


def measure_together(
    files: Sequence[Path], inputs: SpooledInputs, threads: int
) -> tuple[list[Measurements], ArrayFile]:
    """Return the figures of files that one process measured, and the first one's answers."""
    folder = Path(tempfile.mkdtemp(prefix="answers-", dir=inputs.folder.parent))
    code = _run("measure", [*map(str, files), "--threads", str(threads)], inputs, folder)
    result = folder / "result.json"
    if code == EXIT_UNUSABLE:
        raise ModelFileError(json.loads(result.read_text(encoding="utf-8")))
    if code:
        raise NightliteError(f"measuring {files[0]}: expected exit code 0. Received: {code}, see above")
    return _MEASUREMENTS.validate_json(result.read_bytes()), ArrayFile(folder / "outputs.npy")


def run_one_at_a_time(file: Path, inputs: Inputs, temporary: Path | None = None) -> tuple[Floats, CompiledModelRun]:
    """Return the Interpreter's outputs, float32 [n, classes], and the result of CompiledModel, of a fresh process.

    Args:
      file: one that `measure_together` could run.
      inputs: of so few examples that memory holds them.
      temporary: receives the process's files for a while.

    Raises:
      ModelFileError: the Interpreter's process crashed or did not end.
      NightliteError: it failed otherwise.
    """
    with tempfile.TemporaryDirectory(dir=temporary) as name:
        folder = Path(name)
        outputs = folder / "outputs.npy"
        try:
            code = _run("one_at_a_time", [str(file)], SpooledInputs.write(folder / "inputs", [inputs]), folder)
        except ModelFileError as error:
            if not outputs.exists():
                raise
            return np.load(outputs), CompiledModelRun(compiled_model_problem=str(error))
        if code:
            raise NightliteError(f"running {file} one example at a time: expected exit code 0. Received: {code}")
        return np.load(outputs), CompiledModelRun.model_validate_json((folder / "result.json").read_bytes())


def _run(module: str, arguments: Sequence[str], inputs: SpooledInputs, folder: Path) -> int:
    """Run a module on inputs, with its results in the folder, and return its exit code.

    Raises:
      ModelFileError: it crashed or did not end.
    """
    outputs = folder / "outputs.npy"
    command = [
        *(sys.executable, "-m", f"nightlite.ondevice.in_tfx.edge_validator.{module}", *arguments),
        *("--inputs", str(inputs.folder), "--outputs", str(outputs), "--result", str(folder / "result.json")),
    ]
    code = _ended(command, outputs)
    if code < 0:
        raise ModelFileError(f"LiteRT's process was ended by signal {-code}")
    return code


def _ended(command: Sequence[str], outputs: Path) -> int:
    """Return a command's exit code, or end it once its outputs have not grown for a while.

    Raises:
      ModelFileError: they had not.
    """
    written = 0
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SOURCES)}) as process:
        try:
            while True:
                try:
                    return process.wait(_SECONDS)
                except subprocess.TimeoutExpired:
                    before, written = written, outputs.stat().st_size if outputs.exists() else 0
                    if written == before:
                        raise ModelFileError(f"LiteRT was not done with it after {_SECONDS} s") from None
        except BaseException:
            process.kill()
            raise
