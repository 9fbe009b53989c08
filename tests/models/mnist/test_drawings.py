"""The page's preparation of pictures, in Node.js: same picture, same grey levels as `nightlite predict`."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from models.mnist.data.sources import load_mnist5k
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE
from models.mnist.on_device import MODEL
from models.mnist.predict import pictures
from nightlite.errors import DataError
from nightlite.ondevice.try_it.declared import drawing_script
from tests.browser import needs
from tests.models.mnist.photographs import drawn, photographed
from tests.models.mnist.test_pictures import seven

NODE = shutil.which("node")
pytestmark = needs(None if NODE else "expected node on PATH (Debian: apt-get install nodejs)", "drawings in a browser")
RUN = """
const {readFileSync} = require('node:fs');
console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(({file, width, height}) => {
  try { return Array.from(prepare({data: new Uint8ClampedArray(readFileSync(file)), width, height})); }
  catch (error) { return error.message; }
})));
"""


def made() -> list[Image.Image]:
    """Return pictures of every kind: sizes, shades, colours, transparency, photographs, and those that are refused."""
    random = np.random.default_rng(1)
    both = seven()
    both.paste(seven().crop((0, 0, 100, 100)), (100, 0))
    transparent = seven(ink=(0, 0, 0, 255), paper=(255, 255, 255, 0), mode="RGBA")
    found = [ImageOps.invert(seven()), seven(703), seven(ink=90, paper=30), seven(20), both, transparent]
    found += [seven(ink="white", paper="darkblue", mode="RGB"), Image.new("L", (50, 50), 3)]
    found += [Image.fromarray(random.integers(0, 256, (side, side), np.uint8)) for side in (28, 130)]
    for image in load_mnist5k().eval.inputs[IMAGE_KEY][:12]:
        digit = np.asarray(image, np.uint8).reshape(IMAGE_SIDE, IMAGE_SIDE)
        found += [Image.fromarray(digit), drawn(digit), photographed(digit, random)]
    return found


def by_predict(file: Path) -> list[int] | str:
    try:
        return [int(level) for level in pictures.read(file).ravel()]
    except DataError as error:
        return str(error)


def test_a_picture_has_the_same_grey_levels_as_in_predict_and_is_refused_in_the_same_words(tmp_path: Path) -> None:
    asked, expected = [], []
    for number, image in enumerate(made()):
        file, pixels = tmp_path / f"{number}.png", tmp_path / f"{number}.rgba"
        image.save(file)
        pixels.write_bytes(image.convert("RGBA").tobytes())
        asked.append({"file": str(pixels), "width": image.width, "height": image.height})
        expected.append(by_predict(file))
    script = tmp_path / "run.js"
    script.write_text(drawing_script(MODEL.drawing) + RUN)
    done = subprocess.run([NODE or "", script], input=json.dumps(asked), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {text for text in expected if isinstance(text, str)} == {"2 separate marks", "nothing stands out", "noise"}
    assert found == expected
