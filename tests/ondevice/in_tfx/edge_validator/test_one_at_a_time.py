"""LiteRT's two runtimes on one example at a time, in a process of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from nightlite.errors import ModelFileError, NightliteError
from nightlite.ondevice.gates.measurements import CompiledModelRun
from nightlite.ondevice.in_tfx.edge_validator import processes
from nightlite.ondevice.in_tfx.edge_validator.one_at_a_time import compiled, interpreted
from nightlite.ondevice.in_tfx.edge_validator.processes import run_one_at_a_time
from tests.ondevice.in_tfx.odd_files import odd_file

PIXELS = {"pixels": np.random.default_rng(2).uniform(-1, 1, (12, 4)).astype(np.float32)}


def made(folder: Path, **odd: Any) -> Path:
    file = folder / "tflite"
    file.write_bytes(odd_file(folder / "saved", **{"size": 4, "classes": 3, "batch": 1, **odd}))
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("file"))


def test_both_runtimes_give_the_same_answers(file: Path) -> None:
    outputs, run = run_one_at_a_time(file, PIXELS)
    assert outputs.shape == (12, 3) and np.allclose(outputs.sum(axis=1), 1)
    assert (run.compiled_model_examples, run.compiled_model_problem) == (12, "")
    assert run.compiled_model_difference is not None and run.compiled_model_difference <= 1e-6
    assert run.fully_accelerated is True


def test_other_answers_than_the_interpreters_are_a_difference(file: Path) -> None:
    expected = interpreted(Interpreter(model_path=str(file), num_threads=1), PIXELS)
    expected[7, 1] += 0.25
    assert compiled(file, PIXELS, expected).compiled_model_difference == pytest.approx(0.25)
    expected[7, 1] = np.nan
    run = compiled(file, PIXELS, expected)
    assert (run.compiled_model_examples, run.compiled_model_difference) == (12, None)


def test_an_open_batch_is_one_sentence(tmp_path: Path) -> None:
    outputs, run = run_one_at_a_time(made(tmp_path, batch=None), PIXELS)
    assert len(outputs) == 12
    found = "CompiledModel takes closed shapes only, such as [1, …]; the file has pixels [-1, 4], p [-1, 3]"
    assert run == CompiledModelRun(compiled_model_problem=found)


def test_a_crash_of_compiled_model_is_the_files_doing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = processes._ended

    def after_the_interpreter(command: list[str], outputs: Path) -> int:
        real(command, outputs)
        return -11

    monkeypatch.setattr(processes, "_ended", after_the_interpreter)
    outputs, run = run_one_at_a_time(file, PIXELS)
    assert len(outputs) == 12 and run.compiled_model_problem == "LiteRT's process was ended by signal 11"
    assert (run.compiled_model_difference, run.fully_accelerated) == (None, None)


def test_a_hang_is_given_up_and_another_failure_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NightliteError, match="one example at a time: expected exit code 0. Received: 1"):
        run_one_at_a_time(file.with_name("none"), PIXELS)
    monkeypatch.setattr(processes, "_SECONDS", 0)
    with pytest.raises(ModelFileError, match="was not done with it after 0 s"):
        run_one_at_a_time(file, PIXELS)
