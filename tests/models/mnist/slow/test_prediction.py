"""Predictions of the real network, trained for some seconds on real digits: photographs, and pictures of no digit."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.mnist.data.sources import load_folder
from models.mnist.model.features import IMAGE_KEY, LABELS
from models.mnist.on_device import MODEL
from models.mnist.predict.prediction import FAILED, NOT_SURE, SURE, exit_code, predict
from models.mnist.predict.recognition import Recogniser
from nightlite.deployment.settings import Settings
from nightlite.errors import ReleaseError
from nightlite.ondevice.in_tfx.ingest.examples import Dataset
from nightlite.ondevice.releases.store import Releases
from tests.models.mnist.photographs import QUALITY, drawn, photographed
from tests.ondevice.releases.made_releases import describe


@pytest.fixture(scope="module")
def settings(float_file: bytes, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a deployment whose one release is the network's file."""
    folder = tmp_path_factory.mktemp("deployment")
    settings = Settings(var_dir=folder)
    file = folder / "tflite"
    file.write_bytes(float_file)
    description = describe("run", LABELS).model_copy(update={"inputs": MODEL.app_contract.inputs})
    Releases(settings.folders(MODEL.name).releases).push(file, description, who="Pusher")
    return settings


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(image: Image.Image, name: str, **options: object) -> Path:
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def test_a_photograph_of_what_is_read_when_drawn_plainly_is_read_too(
    settings: Settings, mnist5k: Dataset, save: Callable[..., Path]
) -> None:
    random = np.random.default_rng(0)
    chosen = random.permutation(len(mnist5k.eval))[:115]
    images, labels = mnist5k.eval.inputs[IMAGE_KEY][chosen], mnist5k.eval.labels[chosen]
    plain = predict([save(drawn(image), f"{n}.png") for n, image in enumerate(images)], settings)
    read = [n for n, found in enumerate(plain) if found.as_json()["digit"] == str(labels[n])][:100]
    assert len(read) == 100
    photographs = [save(photographed(images[n], random), f"{n}.jpg", quality=QUALITY) for n in read]
    found = [prediction.as_json()["digit"] for prediction in predict(photographs, settings)]
    right = sum(digit == str(labels[n]) for n, digit in zip(read, found, strict=True))
    print(f"{right} of 100 photographs right; not sure: {found.count(None)}")
    assert right >= 90


def test_a_plain_stroke_is_a_one(settings: Settings, save: Callable[..., Path]) -> None:
    stroke = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(stroke).line([(150, 10), (150, 290)], 0, 14)
    [found] = predict([save(stroke, "one.png")], settings)
    assert (found.as_json()["digit"], found.exit_code) == ("1", SURE)


def test_what_shows_no_digit_is_not_sure_and_takes_nothing_from_the_others(
    settings: Settings, mnist5k: Dataset, save: Callable[..., Path], tmp_path: Path
) -> None:
    digit = save(drawn(mnist5k.eval.inputs[IMAGE_KEY][0]), "digit.png")
    blank = save(Image.new("L", (200, 200), 255), "blank.png")
    noise = save(Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 200), np.uint8)), "noise.png")
    strokes = Image.new("L", (300, 300), 255)
    for column in (90, 210):
        ImageDraw.Draw(strokes).line([(column, 60), (column, 240)], 0, 14)
    two = save(strokes, "two.png")
    (tmp_path / "text.png").write_text("no picture")

    found = predict([digit, blank, digit, noise, two], settings)
    assert [item.not_sure for item in found] == ["", "nothing stands out", "", "noise", "2 separate marks"]
    assert found[0].as_json() == found[2].as_json()
    assert found[0].as_json()["digit"] == str(mnist5k.eval.labels[0])
    assert exit_code(found) == NOT_SURE
    assert found[1].as_json() == {"digit": None, "not_sure": "nothing stands out"}

    found = predict([digit, tmp_path / "text.png", blank], settings)
    assert found[0].as_json()["digit"] == str(mnist5k.eval.labels[0])
    assert "expected a PNG or JPEG file" in found[1].as_json()["error"]
    assert exit_code(found) == FAILED


def test_without_a_release_there_is_an_error_only_where_there_is_something_to_ask(
    save: Callable[..., Path], mnist5k: Dataset, tmp_path: Path
) -> None:
    empty = Settings(var_dir=tmp_path)
    blank = save(Image.new("L", (50, 50), 255), "blank.png")
    assert [item.exit_code for item in predict([blank], empty)] == [NOT_SURE]
    with pytest.raises(ReleaseError, match="no release yet"):
        predict([blank, save(drawn(mnist5k.eval.inputs[IMAGE_KEY][0]), "digit.png")], empty)


def test_no_likely_digit_is_not_sure_and_still_has_its_probabilities(
    settings: Settings, mnist5k: Dataset, save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.mnist.predict.recognition.LEAST_PROBABILITY", 1.01)
    [found] = predict([save(drawn(mnist5k.eval.inputs[IMAGE_KEY][0]), "digit.png")], settings)
    assert found.not_sure.startswith(f"{mnist5k.eval.labels[0]} is the likeliest, at ")
    facts = found.as_json()
    assert (facts["digit"], facts["release"], len(facts["probabilities"])) == (None, 1, 10)


def test_the_manifest_says_how_pixels_become_inputs(settings: Settings, mnist5k: Dataset, tmp_path: Path) -> None:
    """Of one file: a release that takes dark ink on light, and one whose manifest is older than meanings."""
    image, [taken] = mnist5k.eval.inputs[IMAGE_KEY][0], MODEL.app_contract.inputs
    assert taken.meaning
    dark = taken.meaning.model_copy(update={"scale": -taken.meaning.scale, "offset": -taken.meaning.offset})
    [said] = Recogniser(settings).recognise([image])
    file = Recogniser(settings).release.folder / "model.tflite"
    for name, meaning, shown in (("dark", dark, 255 - image), ("older", None, image)):
        others = Settings(var_dir=tmp_path / name)
        inputs = (taken.model_copy(update={"meaning": meaning}),)
        description = describe("run", LABELS).model_copy(update={"inputs": inputs})
        Releases(others.folders(MODEL.name).releases).push(file, description, who="Pusher")
        [told] = Recogniser(others).recognise([shown])
        assert told.probabilities == pytest.approx(said.probabilities, abs=1e-4)
        [wrong] = Recogniser(others).recognise([255 - shown])
        assert wrong.probabilities != pytest.approx(said.probabilities, abs=1e-4)


# Defined only where there are such files, as in ../test_sources.py.
if real_folder := os.environ.get("NIGHTLITE_TEST_MNIST_DIR"):

    def test_what_was_trained_on_mnist5k_reads_other_images_of_mnist(settings: Settings, mnist5k: Dataset) -> None:
        known = {image.tobytes() for split in mnist5k.splits.values() for image in split.inputs[IMAGE_KEY]}
        splits = load_folder(Path(real_folder), "real").splits.values()
        images = np.concatenate([split.inputs[IMAGE_KEY] for split in splits])
        labels = np.concatenate([split.labels for split in splits])
        unseen = [n for n, image in enumerate(images) if image.tobytes() not in known]
        answers = Recogniser(settings).recognise(list(images[unseen]))
        right = np.mean([int(answer.digit) == label for answer, label in zip(answers, labels[unseen], strict=True)])
        print(f"{right:.2%} of {len(unseen):,} images of MNIST that are not in mnist5k")
        assert len(unseen) > 5_000
        assert right >= 0.95
