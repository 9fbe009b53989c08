"""The page of golden examples in a real browser: a small file whose answers LiteRT's Interpreter gave."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tests.browser import needs
from web import in_chromium

pytestmark = needs(in_chromium.missing(), "a release in a browser")
# The second is missing in one example.
VALUES = {"marks": [[0.5, 0.25, -1.0], [1.0, None, 2.0], [0.1, 0.2, 0.3]], "age": [[1.5], [-0.5], [0.0]]}


def converted(batch: int | None) -> bytes:
    """Return a TFLite file of two inputs, which imputes what is missing."""
    weights = tf.random.stateless_normal([4, 3], seed=(1, 2))
    signature = [tf.TensorSpec([batch, size], tf.float32, name=name) for name, size in (("marks", 3), ("age", 1))]

    @tf.function(input_signature=signature, autograph=False)
    def answer(marks: tf.Tensor, age: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.concat([marks, age], axis=1)
        return {"p": tf.nn.softmax(tf.matmul(tf.where(tf.math.is_nan(values), tf.zeros_like(values), values), weights))}

    module = tf.Module()
    module.answer = answer
    content: bytes = tf.lite.TFLiteConverter.from_concrete_functions([answer.get_concrete_function()], module).convert()
    return content


def golden(content: bytes) -> dict[str, Any]:
    """Return the content of a golden.json, with the Interpreter's answers."""
    ask = Interpreter(model_content=content).get_signature_runner()
    examples = []
    for number in range(3):
        inputs = {name: values[number] for name, values in VALUES.items()}
        arrays = {name: np.array([values], np.float32) for name, values in inputs.items()}
        outputs = {name: values.ravel().tolist() for name, values in ask(**arrays).items()}
        examples.append({"label": "", "inputs": inputs, "outputs": outputs})
    sha256 = hashlib.sha256(content).hexdigest()
    return {"schema_version": 1, "sha256": sha256, "tolerance": 1e-5, "examples": examples}


@pytest.fixture(scope="module")
def file() -> bytes:
    return converted(batch=1)


@pytest.fixture
def release(tmp_path: Path) -> Callable[[bytes, dict[str, Any]], Path]:
    """Return a function that writes the three files that the page reads."""

    def write(content: bytes, examples: dict[str, Any]) -> Path:
        (tmp_path / "model.tflite").write_bytes(content)
        (tmp_path / "golden.json").write_text(json.dumps(examples))
        files = {"golden.json": hashlib.sha256((tmp_path / "golden.json").read_bytes()).hexdigest()}
        manifest = {"version": 7, "sha256": examples["sha256"], "files": files}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return tmp_path

    return write


def test_every_example_agrees_by_name_and_a_missing_value_too(release: Callable[..., Path], file: bytes) -> None:
    found = in_chromium.golden(release(file, golden(file)))
    assert (found["version"], found["agreeing"], found["examples"]) == (7, 3, 3)
    assert found["largest_difference"] <= found["tolerance"] == 1e-5
    assert isinstance(found["fully_accelerated"], bool) and found["latency_ms"] > 0


def test_other_outputs_are_counted(release: Callable[..., Path], file: bytes) -> None:
    examples = golden(file)
    examples["examples"][1]["outputs"]["p"][2] += 2e-5
    found = in_chromium.golden(release(file, examples))
    assert found["agreeing"] == 2
    assert found["largest_difference"] == pytest.approx(2e-5, rel=0.1)


def test_outputs_of_another_name_agree_with_nothing(release: Callable[..., Path], file: bytes) -> None:
    examples = golden(file)
    for example in examples["examples"]:
        example["outputs"] = {"q": example["outputs"]["p"]}
    found = in_chromium.golden(release(file, examples))
    assert (found["agreeing"], found["largest_difference"]) == (0, None)


def test_another_file_than_the_manifests_is_refused(release: Callable[..., Path], file: bytes) -> None:
    with pytest.raises(in_chromium.BrowserError, match="model.tflite: expected sha256 .* Received: "):
        in_chromium.golden(release(file + b" ", golden(file)))


def test_other_examples_than_the_manifests_are_refused(release: Callable[..., Path], file: bytes) -> None:
    folder = release(file, golden(file))
    (folder / "golden.json").write_text(json.dumps({**golden(file), "tolerance": 1}))
    with pytest.raises(in_chromium.BrowserError, match=r"golden.json: expected sha256 .*, as manifest.json says. Rec"):
        in_chromium.golden(folder)


def test_a_manifest_older_than_sums_of_other_files_will_do(release: Callable[..., Path], file: bytes) -> None:
    folder = release(file, golden(file))
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert in_chromium.golden(folder)["agreeing"] == 3


def test_an_input_that_the_file_has_not_is_named(release: Callable[..., Path], file: bytes) -> None:
    examples = golden(file)
    examples["examples"][0]["inputs"]["height"] = [1.0]
    with pytest.raises(in_chromium.BrowserError, match="expected inputs named .*age.* Received: height"):
        in_chromium.golden(release(file, examples))


def test_litert_js_still_takes_no_file_of_an_open_batch(release: Callable[..., Path]) -> None:
    content = converted(batch=None)
    with pytest.raises(in_chromium.BrowserError, match="litert_layout"):
        in_chromium.golden(release(content, golden(content)))
