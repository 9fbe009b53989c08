"""The models of a deployment: all that are switched on, by their folders, and the one that a command means."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import models as package
from models.mnist.on_device import MODEL
from nightlite.deployment import models
from nightlite.deployment.models import first_model, model_named
from nightlite.errors import SettingsError, UsageError
from tests.declared import declared_models

OTHER = MODEL.model_copy(update={"name": "flowers"})


@pytest.fixture
def two() -> Iterator[None]:
    with declared_models({"mnist": MODEL, "flowers": OTHER}):
        yield


def test_one_needs_no_name_and_several_are_told_apart_by_theirs() -> None:
    with declared_models({"flowers": OTHER}):
        assert model_named() == first_model() == OTHER
    with declared_models({"mnist": MODEL, "flowers": OTHER}):
        assert list(models.models()) == ["flowers", "mnist"]
        assert (model_named("flowers"), model_named("mnist")) == (OTHER, MODEL)
        assert (first_model(), first_model("mnist")) == (OTHER, MODEL)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, r"^expected --model NAME, because this deployment has 2 models \(flowers, mnist\). Received: none$"),
        (
            "flower",
            r"^Did you mean flowers\? --model: expected a model of .* \(flowers, mnist\). Received: 'flower'$",
        ),
    ],
)
def test_what_names_no_model_is_told_all_names(name: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        model_named(name)


@pytest.mark.usefixtures("two")
def test_a_model_that_is_switched_off_is_no_longer_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_FLOWERS_" + "ENABLED", "false")
    assert list(models.models()) == ["mnist"] and list(models.all_models()) == ["flowers", "mnist"]
    assert model_named() == MODEL
    with pytest.raises(UsageError, match=r"\(mnist\). Received: flowers, which \w*_FLOWERS_ENABLED=false switches"):
        model_named("flowers")
    monkeypatch.setenv("NIGHTLITE_MNIST_ENABLED", "false")
    with pytest.raises(SettingsError, match=r"Received: \w*_FLOWERS_ENABLED=false, \w*_MNIST_ENABLED=false"):
        model_named()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder of models of this deployment's, besides which there are none."""
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    models.declared.cache_clear()
    yield tmp_path
    models.declared.cache_clear()


def declare(folder: Path, name: str, source: str) -> None:
    (folder / name).mkdir()
    (folder / name / "on_device.py").write_text(source)


def test_a_folder_makes_a_model_and_a_broken_one_harms_no_other(folder: Path) -> None:
    with pytest.raises(SettingsError, match=f"^expected a model, a folder of {folder} .* Received: none$"):
        model_named()
    source = "from tests.tiny_table.on_device import MODEL as one\nMODEL = one.model_copy(update={'name': %r})\n"
    declare(folder, "many_flowers", source % "many_flowers")
    declare(folder, "many_broken", "import nowhere_at_all")
    assert model_named("many_flowers").name == "many_flowers"
    with pytest.raises(
        SettingsError,
        match=r"^models/many_broken/on_device\.py: .* Received: ModuleNotFoundError: No module "
        r"named 'nowhere_at_all'; mend .*/many_broken/on_device\.py, line 1: import nowhere_at_all$",
    ):
        model_named("many_broken")
    declare(folder, "many_others", source % "many_flowers")
    with pytest.raises(SettingsError, match=r"^models/many_others: .* its folder's name\. Received: 'many_flowers'$"):
        model_named("many_others")
    declare(folder, "many_nothing", "MODEL = 7")
    with pytest.raises(SettingsError, match=r"^models/many_nothing: .* an OnDeviceModel\. Received: 7$"):
        model_named("many_nothing")


_IRIS = "from tests.tiny_table.on_device import MODEL as one\nfields = dict(one)\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "texts = {}\nmeaning = texts['hue']",
            "expected a module that declares MODEL. Received: KeyError: 'hue'; mend {at}, line 4: "
            "meaning = texts['hue']",
        ),
        (
            "MODEL = (",
            "expected a module that declares MODEL. Received: SyntaxError: '(' was never closed (on_device.py, "
            "line 3); mend {at}, line 3",
        ),
        (
            "MODEL = one.__class__(**fields | {'limits': None})",
            "limits: expected a text. Received: none; mend {at}, line 3",
        ),
        (
            "MODEL = one.__class__(**fields | {'words': {'one': 'wine'}, 'hue': 1})",
            "words.many: expected a value. Received: none; hue: expected no such field. Received: 1; mend {at}, line 3",
        ),
        (
            "MODEL = one.__class__(**fields | {'output': {**dict(one.output), 'shape': (1, 4)}})",
            "output: expected 3 probabilities for an example, as the task says. "
            "Received: probabilities float32[1, 4]; mend {at}, line 3",
        ),
        (
            "one.task.__class__(labels=('one',))",
            "Classification.labels: expected 2 or more. Received: ('one',); mend {at}, line 3",
        ),
    ],
    ids=["KeyError", "SyntaxError", "none", "fields", "value_error", "another class"],
)
def test_a_wrong_declaration_is_told_by_its_field_and_its_line(folder: Path, source: str, said: str) -> None:
    name = f"wrong_{zlib.crc32(source.encode())}"  # a module of its own
    declare(folder, name, _IRIS + source)
    with pytest.raises(SettingsError) as caught:
        model_named(name)
    expected = f"models/{name}/on_device.py: " + said.format(at=f"{folder.name}/{name}/on_device.py")
    assert str(caught.value).startswith(expected)
    assert "pydantic.dev" not in str(caught.value) and "validation error" not in str(caught.value)
