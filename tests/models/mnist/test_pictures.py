"""Pictures of any kind in MNIST's form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from models.mnist.predict import pictures
from models.mnist.predict.ink import UnclearPictureError
from nightlite.errors import DataError

Picture = Image.Image


def seven(size: int = 100, ink: object = 255, paper: object = 0, mode: str = "L") -> Picture:
    """Return a lopsided figure in the left half of a picture."""
    image = Image.new(mode, (2 * size, size), paper)  # type: ignore[arg-type]
    draw = ImageDraw.Draw(image)
    draw.line([(size * 0.2, size * 0.2), (size * 0.7, size * 0.2), (size * 0.4, size * 0.8)], ink, round(size * 0.1))
    return image


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(image: Picture, name: str = "picture.png", **options: object) -> Path:
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def test_the_ink_fits_a_box_of_20_with_its_mass_in_the_middle(save: Callable[..., Path]) -> None:
    image = pictures.read(save(seven())).astype(float)
    assert image.shape == (28, 28)
    rows, columns = np.nonzero(image.max(axis=1) > 50)[0], np.nonzero(image.max(axis=0) > 50)[0]
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert np.ptp(columns) < np.ptp(rows)
    for axis in (0, 1):
        centre = np.sum(image.sum(axis=1 - axis) * (np.arange(28) + 0.5)) / image.sum()
        assert abs(centre - 14) <= 0.5
    assert image.max() >= 250 and image[0, 0] == 0


TRANSPARENT = (255, 255, 255, 0)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (ImageOps.invert(seven()), "dark-on-light.png"),
        (seven(), "picture.jpg"),
        (ImageOps.invert(seven()), "dark.jpg"),
        (seven(400), "large.png"),
        (seven(ink=90, paper=30), "faint.png"),
        (seven(ink="white", paper="darkblue", mode="RGB"), "colours.png"),
        (seven(ink=(0, 0, 0, 255), paper=TRANSPARENT, mode="RGBA"), "black-ink-on-nothing.png"),
        (seven(ink=(255, 255, 255, 255), paper=TRANSPARENT, mode="RGBA"), "white-ink-on-nothing.png"),
        (seven(ink=1, paper=0, mode="1"), "two-colours.png"),
        (seven().convert("P"), "palette.png"),
        (Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257), "16-bits.png"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_same_figure_in_another_picture_is_the_same_image(
    save: Callable[..., Path], image: Picture, name: str
) -> None:
    expected = pictures.read(save(seven(), "expected.png")).astype(int)
    found = pictures.read(save(image, name)).astype(int)
    # An edge's grey depends on the size and JPEG's artefacts; another place or polarity differs by far more.
    assert np.mean(np.abs(found - expected)) < 6


def test_a_cameras_note_of_which_side_is_up_is_followed(save: Callable[..., Path]) -> None:
    turned = seven().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # TIFF's Orientation: to be shown turned by 90 degrees clockwise
    upright = pictures.read(save(seven(), "upright.jpg")).astype(int)
    assert np.mean(np.abs(pictures.read(save(turned, "turned.jpg", exif=exif)).astype(int) - upright)) < 6


def test_a_thin_stroke_keeps_its_proportions(save: Callable[..., Path]) -> None:
    image = Image.new("L", (300, 300))
    ImageDraw.Draw(image).line([(150, 20), (150, 280)], 255, 8)
    found = pictures.read(save(image))
    assert np.count_nonzero(found.max(axis=0) > 50) <= 2
    assert np.count_nonzero(found.max(axis=1) > 50) == 20


@pytest.mark.parametrize(("mode", "colour"), [("L", 0), ("L", 128), ("L", 255), ("RGBA", (9, 9, 9, 0))])
def test_an_even_or_transparent_picture_is_refused(save: Callable[..., Path], mode: str, colour: object) -> None:
    with pytest.raises(UnclearPictureError, match="^nothing stands out$"):
        pictures.read(save(Image.new(mode, (50, 50), colour)))  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [28, 280])
def test_noise_is_no_mark(save: Callable[..., Path], side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)
    with pytest.raises(UnclearPictureError, match="^noise$"):
        pictures.read(save(Image.fromarray(noise)))


def test_two_separate_marks_are_no_digit_but_a_gap_and_specks_are_let_pass(save: Callable[..., Path]) -> None:
    both = seven()
    both.paste(seven().crop((0, 0, 100, 100)), (100, 0))
    with pytest.raises(UnclearPictureError, match="^2 separate marks$"):
        pictures.read(save(both))
    broken = seven()
    draw = ImageDraw.Draw(broken)
    draw.rectangle([0, 45, 100, 48], 0)
    draw.rectangle([150, 50, 152, 52], 255)
    whole, found = (pictures.read(save(image)).astype(int) for image in (seven(), broken))
    assert np.mean(np.abs(found - whole)) < 6


def test_other_kinds_of_file_are_refused_in_one_sentence(save: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    for path in (tmp_path / "text.png", tmp_path / "empty.png", save(seven(), "picture.gif")):
        with pytest.raises(DataError, match="expected a PNG or JPEG file") as raised:
            pictures.read(path)
        assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(DataError, match="nope.png: cannot be read: No such file"):
        pictures.read(tmp_path / "nope.png")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        pictures.read(tmp_path)


def test_a_truncated_picture_is_refused(save: Callable[..., Path]) -> None:
    path = save(seven(400))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match="cannot be read: .*truncated"):
        pictures.read(path)
