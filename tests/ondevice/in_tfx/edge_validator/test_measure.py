"""The measuring process: light, on its own, and sure of which file is at fault."""

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nightlite.errors import ModelFileError, NightliteError
from nightlite.ondevice.gates.measurements import Measurements
from nightlite.ondevice.in_tfx.answers.spool import SpooledInputs
from nightlite.ondevice.in_tfx.edge_validator import processes
from nightlite.ondevice.in_tfx.edge_validator.processes import _ended, measure_in_child
from nightlite.paths import PROJECT
from tests.ondevice.in_tfx.odd_files import odd_file

IMAGES = np.random.default_rng(0).uniform(-0.5, 0.5, (30, 4)).astype(np.float32)
INPUTS = {"pixels": IMAGES}
# Whatever it imports of these would be in its memory and its load times.
_FENCED = """
import sys
class Fence:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tfx", "apache_beam", "ml_metadata", "jax"):
            raise ImportError(f"{name} must not be imported here")
sys.meta_path.insert(0, Fence())
import runpy
runpy.run_module("nightlite.ondevice.in_tfx.edge_validator.measure", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = keras.Sequential([keras.Input([4]), keras.layers.Dense(3, activation="softmax")])
    spec = tf.TensorSpec([None, 4], tf.float32, name="pixels")
    folder = tmp_path_factory.mktemp("edge")
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serving_default", tf.function(lambda x: {"p": network(x)}, input_signature=[spec]))
    archive.write_out(str(folder / "exported"), verbose=False)
    path = folder / "tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported")).convert())
    np.save(folder / "expected.npy", network(IMAGES).numpy())
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> SpooledInputs:
    """Return the images in batches of seven."""
    return SpooledInputs.write(
        tmp_path / "spooled", ({"pixels": IMAGES[start : start + 7]} for start in range(0, 30, 7))
    )


def test_it_imports_nothing_of_tensorflow(file: Path, tmp_path: Path) -> None:
    SpooledInputs.write(tmp_path / "inputs", [INPUTS])
    names = {name: str(tmp_path / f"{name}") for name in ("inputs", "outputs.npy", "result.json")}
    options = ["--inputs", names["inputs"], "--outputs", names["outputs.npy"], "--result", names["result.json"]]
    done = subprocess.run(
        [sys.executable, "-c", _FENCED, str(file), "--threads", "1", *options],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [measured] = [Measurements.model_validate(item) for item in json.loads((tmp_path / "result.json").read_text())]
    assert measured.size_bytes == file.stat().st_size
    # What the measurements are said to be of: LiteRT's default delegates, which have XNNPACK among them.
    assert "Created TensorFlow Lite XNNPACK delegate" in done.stderr


def test_outputs_and_figures_are_the_files(file: Path, inputs: SpooledInputs) -> None:
    measured, outputs = measure_in_child([file, file], inputs, threads=2)
    for answers in outputs:
        assert [len(batch) for batch in answers] == [7, 7, 7, 7, 2]
        np.testing.assert_allclose(np.concatenate(list(answers)), np.load(file.parent / "expected.npy"), atol=1e-6)
    assert len(outputs) == 2
    assert [item.threads for item in measured] == [2, 2]
    assert str(measured[0].contract).startswith("pixels float32[-1, 4] to ")
    assert 0 < measured[0].latency_ms.p50 <= measured[0].latency_ms.p99


def test_a_bad_file_is_not_measured_and_a_bad_baseline_is_an_error(
    file: Path, inputs: SpooledInputs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="LiteRT cannot load it or run it"):
        measure_in_child([bad], inputs, threads=1)
    assert f"{bad}: LiteRT cannot load it or run it" in capfd.readouterr().err
    with pytest.raises(NightliteError, match="expected exit code 0"):
        measure_in_child([file, bad], inputs, threads=1)
    assert str(bad) in capfd.readouterr().err


def _ended_instead(code: str, command: list[str], outputs: Path) -> int:
    """Run this code of Python's instead of a command's."""
    return _ended([command[0], "-c", code, str(outputs)], outputs)


def test_a_crash_of_the_runtime_is_the_files_doing(
    file: Path, inputs: SpooledInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(processes, "_ended", functools.partial(_ended_instead, crash))
    with pytest.raises(ModelFileError, match="ended by signal 11"):
        measure_in_child([file], inputs, threads=1)


def test_a_file_that_keeps_the_runtime_busy_forever_is_given_up(
    file: Path, inputs: SpooledInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_SECONDS", 0)
    with pytest.raises(ModelFileError, match="was not done with it after 0 s"):
        measure_in_child([file], inputs, threads=1)


class Slow:
    """A process that answers a batch each time that it is waited for. After so many it ends, or hangs."""

    def __init__(self, outputs: Path, batches: int, hangs: bool) -> None:
        self.outputs, self.batches, self.hangs, self.killed = outputs, batches, hangs, False

    def __call__(self, *_: Any, **__: Any) -> "Slow":
        return self

    def __enter__(self) -> "Slow":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.killed == self.hangs

    def wait(self, seconds: float) -> int:
        if self.batches:
            self.batches -= 1
            with self.outputs.open("ab") as file:
                file.write(b"answers")
        elif not self.hangs:
            return 0
        raise subprocess.TimeoutExpired("measure", seconds)

    def kill(self) -> None:
        self.killed = True


def test_a_process_may_take_long_as_long_as_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = tmp_path / "outputs.npy"
    monkeypatch.setattr(subprocess, "Popen", Slow(outputs, batches=50, hangs=False))
    assert _ended(["measure"], outputs) == 0
    slow = Slow(outputs, batches=3, hangs=True)
    monkeypatch.setattr(subprocess, "Popen", slow)
    with pytest.raises(ModelFileError, match="was not done with it after 600 s"):
        _ended(["measure"], outputs)
    assert slow.batches == 0


def test_a_last_release_with_an_open_batch_is_still_measured(tmp_path: Path, inputs: SpooledInputs) -> None:
    files = []
    for batch in (1, None):
        files.append(tmp_path / str(batch))
        files[-1].write_bytes(odd_file(tmp_path / f"saved-{batch}", size=4, classes=3, batch=batch))
    measured, (outputs, others) = measure_in_child(files, inputs, threads=1)
    assert [str(item.contract) for item in measured] == [
        "pixels float32[1, 4] to p float32[1, 3]",
        "pixels float32[-1, 4] to p float32[-1, 3]",
    ]
    np.testing.assert_allclose(*(np.concatenate(list(found)) for found in (outputs, others)), atol=1e-6)


@pytest.mark.parametrize(
    ("odd", "found"),
    [
        ({"dtype": tf.int8}, r"^pixels int8\[1, 4\] to p float32\[1, 3\]: .*expected type INT8"),
        ({"size": 5}, r"^pixels float32\[1, 5\] to p .*Got 4 but expected 5"),
        ({"name": "ink"}, r"^ink float32\[1, 4\] to p .*expected inputs named ink. Received: pixels"),
        ({"signatures": ()}, "no signature"),
        ({"signatures": ("serving_default", "other")}, r"2 signatures \(pixels to p; pixels to p\)"),
    ],
)
def test_a_file_with_another_contract_is_not_measured_and_what_it_has_is_told(
    tmp_path: Path, inputs: SpooledInputs, odd: dict[str, Any], found: str
) -> None:
    file = tmp_path / "odd"
    file.write_bytes(odd_file(tmp_path / "saved", **{"size": 4, "classes": 3, **odd}))
    with pytest.raises(ModelFileError, match=found):
        measure_in_child([file], inputs, threads=1)
