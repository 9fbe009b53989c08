"""The real network's file, released: LiteRT.js in a real browser answers as LiteRT's runtimes on the build host."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from bench.tfx import runtimes
from models.mnist.model import trainer
from models.mnist.model.features import IMAGE_KEY, LABELS
from nightlite import litert
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden
from nightlite.ondevice.in_tfx.conversion import tflite_file
from nightlite.ondevice.in_tfx.conversion.quantization import quantize
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_of
from nightlite.ondevice.in_tfx.edge_validator.one_at_a_time import interpreted
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
    chosen = np.concatenate([np.flatnonzero(examples.labels == n)[:IMAGES_PER_CLASS] for n in range(len(LABELS))])
    inputs = {IMAGE_KEY: examples.images[chosen]}
    labels = [LABELS[label] for label in examples.labels[chosen]]
    interpreter = tflite_file.load(file)
    [output] = litert.signature(interpreter)[1]
    return golden_of(sha256, 1e-5, inputs, labels, output, interpreted(interpreter, inputs))


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


def test_every_golden_example_agrees_in_each_runtime(release: Release) -> None:
    found = runtimes.measure(release.folder, runs=1)
    assert list(found) == ["interpreter", "compiled_model", "litert_js"]
    for name, finding in found.items():
        print(name, finding)
        assert finding["examples"] == finding["agreeing"] == IMAGES_PER_CLASS * len(LABELS)
        assert finding["largest_difference"] <= 1e-5 and finding["latency_ms"][0] > 0
