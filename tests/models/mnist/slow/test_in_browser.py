"""The real network's file, released, in LiteRT.js in a real browser: it answers as LiteRT does on the build host."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models.mnist.model import trainer
from models.mnist.model.features import IMAGE_KEY, LABELS
from nightlite import litert
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden, GoldenExample, numbers
from nightlite.ondevice.in_tfx.conversion import tflite_file
from nightlite.ondevice.in_tfx.conversion.quantization import quantize
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from tests.browser import needs
from tests.ondevice.releases.made_releases import describe
from web import in_chromium

pytestmark = needs(in_chromium.missing(), "a release in a browser")
Data = tuple[trainer.Examples, trainer.Examples]
IMAGES_PER_CLASS = 10


def golden(file: Path, sha256: str, examples: trainer.Examples) -> Golden:
    """Return LiteRT's answers to some images of every class."""
    interpreter = tflite_file.load(file)
    chosen = np.concatenate([np.flatnonzero(examples.labels == n)[:IMAGES_PER_CLASS] for n in range(len(LABELS))])
    found = []
    for index in chosen:
        answers = litert.answer(interpreter, {IMAGE_KEY: examples.images[index]})
        outputs = {name: numbers(values.ravel().tolist()) for name, values in answers.items()}
        inputs = {IMAGE_KEY: numbers(examples.images[index].tolist())}
        found.append(GoldenExample(label=LABELS[examples.labels[index]], inputs=inputs, outputs=outputs))
    return Golden(sha256=sha256, tolerance=1e-5, examples=tuple(found))


@pytest.fixture(params=["none", "int8"])
def release(request: pytest.FixtureRequest, float_file: bytes, data: Data, tmp_path: Path) -> Release:
    file = tmp_path / "tflite"
    file.write_bytes(float_file)
    if request.param != "none":
        quantize(file, request.param, {IMAGE_KEY: data[0].images[:256]})

    def documents(manifest: Manifest) -> Mapping[str, bytes]:
        return {GOLDEN_FILE: golden(file, manifest.sha256, data[1]).model_dump_json().encode()}

    pushed = Releases(tmp_path / "releases").push(file, describe("run", LABELS), who="Pusher", documents=documents)
    return pushed.release


def test_every_golden_example_agrees(release: Release) -> None:
    found = in_chromium.golden(release.folder)
    print(found)
    assert found["examples"] == found["agreeing"] == IMAGES_PER_CLASS * len(LABELS)
    assert found["version"] == release.version and found["largest_difference"] <= found["tolerance"] == 1e-5
