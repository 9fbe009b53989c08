"""The measuring process: light, on its own, and sure of which file is at fault."""

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
from nightlite.ondevice.in_tfx.edge_validator import processes
from nightlite.ondevice.in_tfx.edge_validator.processes import measure_in_child
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


def test_it_imports_nothing_of_tensorflow(file: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", **INPUTS)
    names = {name: str(tmp_path / f"{name}") for name in ("inputs.npz", "outputs.npy", "result.json")}
    options = ["--inputs", names["inputs.npz"], "--outputs", names["outputs.npy"], "--result", names["result.json"]]
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


def test_outputs_and_figures_are_the_files(file: Path) -> None:
    measured, outputs = measure_in_child([file, file], INPUTS, threads=2)
    for answers in outputs:
        np.testing.assert_allclose(answers, np.load(file.parent / "expected.npy"), atol=1e-6)
    assert len(outputs) == 2
    assert [item.threads for item in measured] == [2, 2]
    assert str(measured[0].contract).startswith("pixels float32[-1, 4] to ")
    assert 0 < measured[0].latency_ms.p50 <= measured[0].latency_ms.p99


def test_a_bad_file_is_not_measured_and_a_bad_baseline_is_an_error(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="LiteRT cannot load it or run it"):
        measure_in_child([bad], INPUTS, threads=1)
    assert f"{bad}: LiteRT cannot load it or run it" in capfd.readouterr().err
    with pytest.raises(NightliteError, match="expected exit code 0"):
        measure_in_child([file, bad], INPUTS, threads=1)
    assert str(bad) in capfd.readouterr().err


def test_a_crash_of_the_runtime_is_the_files_doing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.CompletedProcess([], returncode=-11)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(ModelFileError, match="ended by signal 11"):
        measure_in_child([file], INPUTS, threads=1)


def test_a_file_that_keeps_the_runtime_busy_forever_is_given_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_SECONDS", 0)
    with pytest.raises(ModelFileError, match="was not done with it after 0 s"):
        measure_in_child([file], INPUTS, threads=1)


def test_a_last_release_with_an_open_batch_is_still_measured(tmp_path: Path) -> None:
    files = []
    for batch in (1, None):
        files.append(tmp_path / str(batch))
        files[-1].write_bytes(odd_file(tmp_path / f"saved-{batch}", size=4, classes=3, batch=batch))
    measured, (outputs, others) = measure_in_child(files, INPUTS, threads=1)
    assert [str(item.contract) for item in measured] == [
        "pixels float32[1, 4] to p float32[1, 3]",
        "pixels float32[-1, 4] to p float32[-1, 3]",
    ]
    np.testing.assert_allclose(outputs, others, atol=1e-6)


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
    tmp_path: Path, odd: dict[str, Any], found: str
) -> None:
    file = tmp_path / "odd"
    file.write_bytes(odd_file(tmp_path / "saved", **{"size": 4, "classes": 3, **odd}))
    with pytest.raises(ModelFileError, match=found):
        measure_in_child([file], INPUTS, threads=1)
