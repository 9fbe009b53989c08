"""Folders of pictures: what was drawn is read, and every wrong folder and picture is one sentence with its name."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nightlite.errors import DataError, ModelDeclarationError, NoSourceError
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.in_tfx.ingest.pictures import ingest_pictures, load_pictures
from nightlite.ondevice.model import Feature, OnDeviceModel, Picture
from nightlite.ondevice.task import Classification
from tests.tiny_table.on_device import MODEL as IRIS

WIDTH, HEIGHT = 5, 4


def of_shape(*shape: int, **changes: Any) -> OnDeviceModel:
    tensor = TensorContract(name="pixels", dtype="float32", shape=(1, *shape))
    meaning = Meaning(description="pixels", scale=1 / 255)
    features = (Feature(tensor=tensor, meaning=meaning),)
    return IRIS.model_copy(update={"features": features, "task": Classification(labels=("cat", "dog")), **changes})


GREY, COLOURS = of_shape(HEIGHT, WIDTH), of_shape(HEIGHT, WIDTH, 3)
PIXELS = np.random.default_rng(1).integers(0, 256, (20, HEIGHT, WIDTH, 3), np.uint8)


def draw(folder: Path, pixels: np.ndarray = PIXELS, ending: str = "png") -> Path:
    """Save the pictures, every second one of a dog."""
    for index, picture in enumerate(pixels):
        file = folder / ("cat", "dog")[index % 2] / f"{index}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    return folder


def pictures_of(*splits: Any) -> list[tuple[bytes, int]]:
    return sorted(
        (picture.tobytes(), int(label))
        for split in splits
        for picture, label in zip(split.inputs["pixels"], split.labels, strict=True)
    )


def labelled(pixels: np.ndarray) -> list[tuple[bytes, int]]:
    return sorted((picture.tobytes(), index % 2) for index, picture in enumerate(pixels))


def test_colours_are_read(tmp_path: Path) -> None:
    dataset = load_pictures(COLOURS, str(draw(tmp_path / "drop")))
    assert dataset.train.inputs["pixels"].shape == (16, HEIGHT, WIDTH, 3)
    assert pictures_of(dataset.train, dataset.eval) == labelled(PIXELS)
    assert (dataset.train.per_class(2), dataset.eval.per_class(2)) == ((8, 8), (2, 2))


@pytest.mark.parametrize(
    "model",
    [
        GREY,
        of_shape(HEIGHT, WIDTH, 1),
        of_shape(HEIGHT * WIDTH, show=Picture(width=WIDTH, height=HEIGHT, black=0, white=1)),
    ],
    ids=["square", "one channel", "flat"],
)
def test_grey_is_read_by_the_shape(tmp_path: Path, model: OnDeviceModel) -> None:
    dataset = load_pictures(model, str(draw(tmp_path / "drop", PIXELS[..., 0])))
    dataset.check(model)
    assert pictures_of(dataset.train, dataset.eval) == labelled(PIXELS[..., 0])


def test_a_colour_picture_becomes_grey(tmp_path: Path) -> None:
    dataset = load_pictures(GREY, str(draw(tmp_path / "drop")))
    grey = np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in PIXELS])
    assert pictures_of(dataset.train, dataset.eval) == labelled(grey)


def test_names_of_files_do_not_matter(tmp_path: Path) -> None:
    first = ingest_pictures(COLOURS, str(draw(tmp_path / "drop")), tmp_path / "data")
    for index, file in enumerate(sorted((tmp_path / "drop").glob("*/*.png"))):
        file.rename(file.with_name(f"{99 - index}.PNG"))
    again = ingest_pictures(COLOURS, str(tmp_path / "drop"), tmp_path / "data")
    assert (first.created, again.created) == (True, False)


def test_a_folder_has_splits_of_its_own_and_files_that_are_no_pictures(tmp_path: Path) -> None:
    draw(tmp_path / "drop" / "train", PIXELS[:15])
    draw(tmp_path / "drop" / "eval", PIXELS[15:])
    for name in ("READY", "reason.txt", "train/.DS_Store", "train/cat/Thumbs.db", "eval/LICENCE"):
        (tmp_path / "drop" / name).touch()
    dataset = load_pictures(COLOURS, str(tmp_path / "drop"))
    assert (len(dataset.train), len(dataset.eval)) == (15, 5)


def test_jpeg_is_read_upright(tmp_path: Path) -> None:
    wide = np.zeros((HEIGHT, WIDTH), np.uint8)
    wide[:2] = 255
    draw(tmp_path / "drop", np.stack([wide] * 4), "jpg")
    for file in (tmp_path / "drop").glob("*/*.jpg"):
        exif = Image.Exif()
        exif[0x0112] = 6  # as a telephone held upright saves it
        Image.fromarray(wide).transpose(Image.Transpose.ROTATE_90).save(file, exif=exif, quality=95)
    found = load_pictures(GREY, str(tmp_path / "drop")).train.inputs["pixels"]
    assert found[0, :2].min() > 200 and found[0, 2:].max() < 50


def test_another_size_is_fitted_where_the_model_says_so(tmp_path: Path) -> None:
    draw(tmp_path / "drop", np.full((4, 40, 30, 3), 7, np.uint8))
    dataset = load_pictures(COLOURS, str(tmp_path / "drop"), resize=True)
    assert dataset.train.inputs["pixels"].shape[1:] == (HEIGHT, WIDTH, 3)
    assert set(dataset.train.inputs["pixels"].flat) == {7}
    with pytest.raises(DataError, match=r"cat/0\.png: expected 5 x 4 pixels\. Received: 30 x 40$"):
        load_pictures(COLOURS, str(tmp_path / "drop"))


def test_labels_by_index(tmp_path: Path) -> None:
    draw(tmp_path / "drop")
    (tmp_path / "drop" / "cat").rename(tmp_path / "drop" / "0")
    (tmp_path / "drop" / "dog").rename(tmp_path / "drop" / "1")
    assert load_pictures(COLOURS, str(tmp_path / "drop")).train.per_class(2) == (8, 8)


def cut(folder: Path) -> None:
    file = folder / "dog" / "1.png"
    file.write_bytes(file.read_bytes()[:-40])


def transparent(folder: Path) -> None:
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 4), np.uint8)).save(folder / "dog" / "1.png")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (cut, "dog/1.png: cannot be read: "),
    "not a picture": (
        lambda folder: (folder / "dog" / "1.png").write_text("<html>"),
        "dog/1.png: expected a PNG or JPEG file. Received: another kind of file",
    ),
    "another format": (
        lambda folder: Image.fromarray(PIXELS[0]).save(folder / "dog" / "1.png", format="BMP"),
        "dog/1.png: expected a PNG or JPEG file. Received: another kind of file",
    ),
    "16 bits": (
        lambda folder: Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint16)).save(folder / "dog" / "1.png"),
        "dog/1.png: expected 8 bits a channel. Received: 16 bits; save it with 8",
    ),
    "transparent": (transparent, "dog/1.png: expected an opaque picture. Received: one with transparent parts"),
    "unknown label": (
        lambda folder: (folder / "dog").rename(folder / "dgo"),
        "dgo: expected a folder that a label names, 'cat', 'dog', or train and eval folders. Received: 'dgo'",
    ),
    "train without eval": (
        lambda folder: (folder / "train").mkdir(),
        "train: expected a folder that a label names, 'cat', 'dog', or train and eval folders. Received: 'train'",
    ),
    "another file": (
        lambda folder: (folder / "dog" / "notes.txt").touch(),
        "dog/notes.txt: expected pictures, .png, .jpg, .jpeg. Received: notes.txt",
    ),
    "beside the folders": (
        lambda folder: shutil.copy(folder / "dog" / "1.png", folder),
        "1.png: expected pictures in folders that labels name. Received: one beside them",
    ),
}


@pytest.mark.parametrize(("damage", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing_behind(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    folder = draw(tmp_path / "drop")
    damage(folder)
    with pytest.raises(DataError) as error:
        ingest_pictures(COLOURS, str(folder), tmp_path / "data")
    hint, place, said = str(error.value).partition(str(folder))
    assert hint == ("Did you mean dog? " if "dgo" in message else "")
    assert place and said.startswith(f"/{message}") and "\n" not in said
    assert not (tmp_path / "data").exists()


def test_a_picture_cut_anywhere_is_one_sentence_or_whole(tmp_path: Path) -> None:
    """Pillow raises errors of several kinds, and misses no checksum."""
    folder = draw(tmp_path / "drop", PIXELS[:4])
    for ending in ("png", "jpg"):
        file = folder / "dog" / f"1.{ending}"
        Image.fromarray(PIXELS[1]).save(file)
        content, whole = file.read_bytes(), load_pictures(COLOURS, str(folder)).train.sha256()
        for size in range(len(content)):
            file.write_bytes(content[:size])
            try:
                found = load_pictures(COLOURS, str(folder)).train.sha256()
            except DataError as error:
                assert str(error).startswith(f"{file}: ")
            else:
                assert found == whole and size >= len(content) - 20  # checksums and end
        file.unlink()


def test_opaque_pictures_may_have_a_channel_for_it(tmp_path: Path) -> None:
    opaque = np.concatenate([PIXELS, np.full((*PIXELS.shape[:3], 1), 255, np.uint8)], axis=3)
    dataset = load_pictures(COLOURS, str(draw(tmp_path / "drop", opaque)))
    assert pictures_of(dataset.train, dataset.eval) == labelled(PIXELS)


def test_what_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    for name, found in (("file", "a file"), ("nowhere", "no such folder")):
        with pytest.raises(NoSourceError, match=rf"'iris' or a folder of pictures by label.*{name}', {found}$"):
            load_pictures(COLOURS, str(tmp_path / name))
    with pytest.raises(DataError, match=r"empty: expected a folder of pictures for each of the labels\. Received: no"):
        load_pictures(COLOURS, str(tmp_path / "empty"))


@pytest.mark.parametrize("model", [IRIS, of_shape(20), of_shape(HEIGHT, WIDTH, 2)], ids=["four", "flat", "channels"])
def test_a_model_of_something_else_is_refused(tmp_path: Path, model: OnDeviceModel) -> None:
    with pytest.raises(ModelDeclarationError, match=r"iris: expected one feature that is a picture: .*Received: feat"):
        load_pictures(model, str(tmp_path))
