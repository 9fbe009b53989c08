"""Models as a broken converter, calibration or training makes them: each is refused by name, and nothing ships."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.rewriting import rewriter_factory

from models.mnist.model import network
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, NUM_CLASSES
from models.mnist.on_device import MODEL
from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.file_contract import TFLITE_FILE
from nightlite.ondevice.gates.rows import rows_of
from nightlite.ondevice.gates.table import EDGE
from nightlite.ondevice.in_tfx.conversion import quantization
from nightlite.ondevice.in_tfx.conversion.closed_batch import with_batches
from nightlite.ondevice.releases.store import Releases
from tests.faults.tfx.nodes import files_below, until
from tests.ondevice.in_tfx.gate_laboratory import LENIENT, Laboratory, Run, edge_inputs, file_of, new_model, output
from tests.pipelines.tiny_tflite import sure_of

LITE = "Trainer.mnist_lite"
Garbage = Callable[[Path], None]  # makes of a good file, which is there, a bad one


def released(laboratory: Laboratory) -> list[int]:
    return Releases(laboratory.folders.releases).versions()


def truncated(share: float) -> Garbage:
    return lambda file: file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)]) and None


def another_model(file: Path) -> None:
    file.write_bytes(sure_of(3, file.parent.parent).read_bytes())


def converted(
    answer: Callable[[tf.Tensor], tf.Tensor], folder: Path, name: str = IMAGE_KEY, parts: object = None
) -> bytes:
    """Return a TFLite file with the signature of the real ones; `parts` holds the variables of `answer`."""

    @tf.function(input_signature=[tf.TensorSpec([1, IMAGE_SIZE], tf.float32, name=name)], autograph=False)
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": answer(image)}

    module = tf.Module()
    module.serve, module.parts = serve, parts
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve.get_concrete_function()})
    return with_batches(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())


def not_a_number(file: Path) -> None:
    nan = lambda image: tf.reduce_sum(image, axis=1, keepdims=True) * tf.fill([1, NUM_CLASSES], np.nan)  # noqa: E731
    file.write_bytes(converted(nan, file.parent.parent / "nan"))


GARBAGE: dict[str, Garbage] = {
    "nothing": lambda file: file.write_bytes(b"") and None,
    "noise": lambda file: file.write_bytes(np.random.default_rng(0).bytes(200_000)) and None,
    "a web page": lambda file: file.write_bytes(b"<!DOCTYPE html>" * 100) and None,
    "no file": Path.unlink,
    "half a file": truncated(0.5),
    "all but the end": truncated(0.99),
    "another model": another_model,
    "not a number": not_a_number,
}


@pytest.mark.parametrize("spoil", GARBAGE.values(), ids=GARBAGE)
def test_what_a_converter_returns_is_looked_at(
    laboratory: Laboratory, good: Run, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, spoil: Garbage
) -> None:
    # TFX reloads the module of a run_fn: what is patched has to be elsewhere.
    create = rewriter_factory.create_rewriter

    def broken(*args: Any, **kwargs: Any) -> Any:
        made = create(*args, **kwargs)
        convert = made.perform_rewrite

        def convert_and_spoil(original: Any, rewritten: Any) -> None:
            convert(original, rewritten)
            spoil(Path(rewritten.path) / TFLITE_FILE)

        made.perform_rewrite = convert_and_spoil
        return made

    monkeypatch.setattr(rewriter_factory, "create_rewriter", broken)
    before, versions = files_below(laboratory.folders.artifacts / LITE), released(laboratory)
    # Another quantization than the good run's, whose file would be taken from the cache.
    bounds = {**LENIENT, "epochs": 2, "quantization": "float16"}
    result = until(laboratory, LITE, request.node.name, **bounds)
    assert (result.node_id, result.state) == (LITE, "failed")
    assert str(result.reason).startswith("ModelFileError: "), result.reason
    assert files_below(laboratory.folders.artifacts / LITE) == before
    assert released(laboratory) == versions


def test_int8_of_a_wrong_scale_leaves_no_trainer(
    laboratory: Laboratory, good: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calibrated on black images, which are all the same, every scale is far too small."""
    black = np.full((256, IMAGE_SIZE), -0.5, np.float32)
    quantize = quantization.quantize
    monkeypatch.setattr(quantization, "quantize", lambda file, mode, _: quantize(file, mode, {IMAGE_KEY: black}))
    result = until(laboratory, LITE, "wrong scale", **LENIENT, epochs=2, quantization="int8")
    assert (result.node_id, result.state) == (LITE, "failed")
    assert "a mean difference of" in str(result.reason) and "ModelFileError" in str(result.reason)


def test_a_diverged_training_leaves_no_trainer(
    laboratory: Laboratory, good: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = lambda *_: lambda step: tf.constant(np.inf) + 0 * tf.cast(step, tf.float32)  # noqa: E731
    monkeypatch.setattr(network, "one_cycle", endless)
    result = until(laboratory, "Trainer.mnist", "diverged", **LENIENT, epochs=1, seed=7)
    assert (result.node_id, result.state) == ("Trainer.mnist", "failed")
    assert "training diverged: expected a finite loss. Received: nan" in str(result.reason)


def judged(laboratory: Laboratory, run: Run, content: bytes, folder: Path, **parameters: object) -> set[str]:
    """Return the names of the gates that EdgeValidator refuses a file by, the last release being the run's own."""
    inputs = {**edge_inputs(run), "model": new_model(content, folder), "baseline_model": output(run, LITE, "model")}
    gates, blessing = laboratory.judge(inputs, folder, **parameters)
    assert blessing.get_int_custom_property("blessed") == 0
    assert [path.name for path in (folder / "blessing").glob("INFRA_*")] == ["INFRA_NOT_BLESSED"]
    return {gate.name for gate in gates.refused if gate.node_id == "EdgeValidator"}


def keras_signature(run: Run) -> tuple[object, Callable[[tf.Tensor], tf.Tensor]]:
    """Return the run's Keras model, and what it answers."""
    loaded = tf.saved_model.load(str(Path(output(run, "Trainer.mnist", "model").uri, "Format-Serving")))
    return loaded, lambda image: next(iter(loaded.signatures["lite"](**{IMAGE_KEY: image}).values()))


def test_ten_times_too_big_is_refused_for_that(laboratory: Laboratory, good: Run, tmp_path: Path) -> None:
    """The very same model, and behind it what a converter forgot to leave out."""
    content = file_of(good)
    assert "max_size_kib" in judged(laboratory, good, content + bytes(9 * len(content)), tmp_path)


def test_ten_times_too_slow_is_refused_for_that_alone(laboratory: Laboratory, good: Run, tmp_path: Path) -> None:
    """The very same answers, after work for nothing: small, right, and no use on a phone."""
    loaded, answer = keras_signature(good)
    kernel = tf.constant(np.random.default_rng(0).normal(0, 0.05, (3, 3, 8, 8)), tf.float32)

    def slow(image: tf.Tensor) -> tf.Tensor:
        work = tf.tile(tf.reshape(image, [-1, 28, 28, 1]), [1, 1, 1, 8])
        for _ in range(200):
            work = tf.nn.relu6(tf.nn.conv2d(work, kernel, 1, "SAME"))
        return answer(image) + 1e-30 * tf.reduce_mean(work, axis=[1, 2, 3])[:, tf.newaxis]

    content = converted(slow, tmp_path / "slow", parts=loaded)
    bounds = {"max_latency_ratio": 1.5, "max_size_kib": 1e6, "max_memory_mib": 1e6}
    assert judged(laboratory, good, content, tmp_path, **bounds) == {"max_latency_ratio"}


def test_a_renamed_input_is_refused_by_the_contract_and_is_not_measured(
    laboratory: Laboratory, good: Run, tmp_path: Path
) -> None:
    loaded, answer = keras_signature(good)
    content = converted(answer, tmp_path / "renamed", name="pixels", parts=loaded)
    refused = judged(laboratory, good, content, tmp_path, max_size_kib=1e6)
    of_edge = {row.name for row in rows_of(EDGE, MODEL.task) if "none" in row.quantizations and not row.compares}
    assert refused == {"contract", "compiled_model", *of_edge}


def test_a_wrong_scale_is_refused_on_the_edge_too(laboratory: Laboratory, good: Run, tmp_path: Path) -> None:
    file = tmp_path / "tflite"
    file.write_bytes(file_of(good))
    quantization.quantize(file, "int8", {IMAGE_KEY: np.full((256, IMAGE_SIZE), -0.5, np.float32)})
    refused = judged(laboratory, good, file.read_bytes(), tmp_path, quantization="int8")
    assert {"min_quantized_agreement", "max_mean_output_difference", "max_keras_accuracy_drop"} <= refused


def test_answers_that_are_no_numbers_are_refused(laboratory: Laboratory, good: Run, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "tflite"
    file.parent.mkdir()
    not_a_number(file)
    refused = judged(laboratory, good, file.read_bytes(), tmp_path)
    assert {"min_keras_agreement", "max_output_difference", "max_mean_output_difference"} <= refused


def test_a_file_that_changed_after_it_was_measured_is_not_released(
    laboratory: Laboratory, good: Run, tmp_path: Path
) -> None:
    """One bit of one weight: it loads, answers, has its contract, and is not what the gates saw."""
    content = bytearray(file_of(good))
    content[len(content) // 2] ^= 1
    blessing = output(good, "EdgeValidator", "blessing")
    blessing.set_int_custom_property("blessed", 1)
    with pytest.raises(ReleaseError, match="expected the file that EdgeValidator measured"):
        laboratory.push(good, blessing, tmp_path, new_model(content, tmp_path))
    assert Releases(tmp_path / "releases").versions() == []
