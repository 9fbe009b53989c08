"""The real network's file, released: LiteRT.js in a real browser answers as LiteRT's runtimes on the build host.

Digits are drawn by touch on the page of `nightlite try`, which prepares them as `nightlite predict` does.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.tfx import runtimes
from models.mnist.model.features import IMAGE_KEY, LABELS
from models.mnist.on_device import MODEL
from models.mnist.predict import pictures
from nightlite import litert
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden, floats
from nightlite.ondevice.in_tfx.conversion import tflite_file
from nightlite.ondevice.in_tfx.conversion.quantization import quantize
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_of
from nightlite.ondevice.in_tfx.edge_validator.one_at_a_time import interpreted
from nightlite.ondevice.in_tfx.ingest.tfrecords import scale
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.try_it.declared import declared
from nightlite.ondevice.try_it.page import try_page
from nightlite.ondevice.try_it.runtime import web_runtime
from nightlite.ondevice.try_it.subjects import of_release
from tests.browser import needs
from tests.models.mnist.made_digits import Examples
from tests.ondevice.releases.made_releases import declared as described
from tests.ondevice.releases.made_releases import describe
from tests.strokes import DIGITS
from web import in_chromium, try_steps

pytestmark = needs(in_chromium.missing(), "a release in a browser")
Data = tuple[Examples, Examples]
IMAGES_PER_CLASS = 10


def golden(file: Path, sha256: str, examples: Examples) -> Golden:
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

    description = describe("run", LABELS).model_copy(update=described(MODEL.app_contract))
    pushed = Releases(tmp_path / "releases").push(file, description, who="Pusher", documents=documents)
    return pushed.release


def test_every_golden_example_agrees_in_each_runtime(release: Release) -> None:
    found = runtimes.measure(release.folder, runs=1)
    assert list(found) == ["interpreter", "compiled_model", "litert_js"]
    for name, finding in found.items():
        print(name, finding)
        assert finding["examples"] == finding["agreeing"] == IMAGES_PER_CLASS * len(LABELS)
        assert finding["largest_difference"] <= 1e-5 and finding["latency_ms"][0] > 0


def by_predict(picture: Path) -> list[float]:
    """Return the tensor of a picture as `nightlite predict` makes it."""
    [values] = scale(pictures.read(picture)[np.newaxis], MODEL.features[0].meaning)
    return [float(value) for value in values]


def test_ten_digits_drawn_by_touch_are_read_on_the_page_of_the_release(release: Release, tmp_path: Path) -> None:
    in_chromium.install_runtime()
    page, opened = tmp_path / "try.html", tmp_path / "opened.png"
    page.write_text(try_page(of_release(release, declared(MODEL)), web_runtime()).html, encoding="utf-8")
    Image.new("L", (90, 60), 250).save(opened)
    steps: try_steps.Steps = {"touch": True, "drawings": DIGITS, "pictures": [str(opened)], "golden": 1}
    seen = try_steps.in_chromium(str(page), steps, tmp_path)
    examples = release.golden()
    assert examples and seen["state"] == "100 of 100 golden examples as on the build host"
    assert (seen["width"], seen["requests"]) == (try_steps.PHONE["width"], [page.as_uri()])
    *drawn, blank, golden_example = seen["answers"]
    for answer in drawn:
        picture = tmp_path / "drawn.png"
        picture.write_bytes(base64.b64decode(answer["picture"]))
        assert answer["inputs"][IMAGE_KEY] == by_predict(picture)
    assert "".join(answer["verdict"] for answer in drawn) == "".join(LABELS)
    assert (blank["output"], blank["hint"]) == (None, "not sure: nothing stands out")
    first = examples.examples[0].outputs["probabilities"]
    assert golden_example["verdict"] == LABELS[int(np.argmax(floats(first)))]
