"""The files that a module's result depends on, found without importing any of them."""

import os
from pathlib import Path

import pytest

from nightlite.paths import SOURCES
from nightlite.runner.in_tfx import source_files

_IN_TFX = "nightlite.ondevice.in_tfx"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a user's folder of modules; each would raise if it were imported."""
    files = {
        "top.py": "import os, numpy\nimport package.deep\nraise SystemExit",
        "package/__init__.py": "from . import beside",
        "package/beside.py": "",
        "package/deep.py": "def late():\n    from .inner.lazy import name",
        "package/inner/__init__.py": "",
        "package/inner/lazy.py": "from ... import too_far",
        "package/templates/page.j2": "<p>",
        "package/ruff.toml": "",
        "package/other.py": "",
        "spread/part.py": "import broken",
        "broken.py": "def",
        "json.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_into_functions_and_packages_and_no_further(folder: Path) -> None:
    found = source_files.reached(["top.run_fn"], [str(folder)])
    expected = {"top", "package", "package.beside", "package.deep", "package.inner", "package.inner.lazy"}
    assert set(found) == expected
    assert found["package.deep"] == folder / "package" / "deep.py"


def test_a_package_without_init_and_a_file_that_is_no_python_are_found(folder: Path) -> None:
    assert set(source_files.reached(["spread.part"], [str(folder)])) == {"spread.part", "broken"}
    assert source_files.digest(folder / "broken.py")


def test_neither_the_standard_library_nor_installed_packages_are_followed(folder: Path) -> None:
    installed = folder / "site-packages"
    installed.mkdir()
    (installed / "numpy.py").write_text("")
    (installed / "tensorflow-2.21.0.dist-info").mkdir()
    path = [str(folder), str(installed), os.path.dirname(os.__file__)]
    assert source_files.own_folders(path) == [str(folder)]
    assert not source_files.reached(["json", "numpy"], path)
    assert source_files.installed_distributions(path) == ["tensorflow-2.21.0"]


def test_a_packages_other_files_are_its_own_but_for_what_tools_read(folder: Path) -> None:
    found = source_files.reached(["package.deep"], [str(folder)])
    assert set(source_files.package_data(found)) == {"package/templates/page.j2"}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('def f(x):\n    """Return one more."""\n    return x + 1\n', True),
        ("def f(x): return x + 1  # one more", True),
        ('"""A module."""\n\n\ndef f(x):\n    return (x +\n            1)\n', True),
        ("def f(x):\n    return x + 2\n", False),
        ('def f(x):\n    "a"; "b"\n    return x + 1\n', False),
    ],
)
def test_comments_layout_and_docstrings_do_not_count(tmp_path: Path, text: str, same: bool) -> None:
    before, after = tmp_path / "before.py", tmp_path / "after.py"
    before.write_text("def f(x):\n    return x + 1\n")
    after.write_text(text)
    assert (source_files.digest(before) == source_files.digest(after)) is same


def test_a_file_is_read_once_until_it_is_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1")
    first = source_files.digest(file)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        assert source_files.digest(file) == first
    status = file.stat()
    file.write_text("x = 2")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # of one size and time, as a restored file is
    assert source_files.digest(file) != first


@pytest.mark.parametrize(
    ("run_fn", "reads"),
    [
        ("models.mnist.model.trainer.run_fn", {"models.mnist.model.network", "models.mnist.model.augmentation"}),
        (f"{_IN_TFX}.conversion.lite_trainer.run_fn", {"nightlite.litert", f"{_IN_TFX}.conversion.quantization"}),
    ],
)
def test_no_trainer_depends_on_a_gate_or_on_what_only_shows(run_fn: str, reads: set[str]) -> None:
    found = source_files.reached([run_fn], [str(SOURCES)])
    assert reads <= set(found)
    converts = (_IN_TFX, *(f"{_IN_TFX}.{name}" for name in ("raw_examples", "training_input", "export")))
    found = {name for name in found if name not in converts and not name.startswith(f"{_IN_TFX}.conversion")}
    for name in (
        "nightlite.ondevice.gates",
        "nightlite.ondevice.report",
        "nightlite.ondevice.in_tfx",
        "nightlite.runner",
        "nightlite.settings",
        "models.mnist.predict",
    ):
        assert not [module for module in found if module == name or module.startswith(f"{name}.")]


def test_what_a_package_brings_along_is_not_installed(tmp_path: Path) -> None:
    """Importing setuptools adds its folder to sys.path, and a node of this process may have done so before."""
    packages = tmp_path / "site-packages"
    vendored = packages / "setuptools" / "_vendor"
    for info in (packages / "tfx-1.21.0.dist-info", vendored / "wheel-0.46.3.dist-info"):
        info.mkdir(parents=True)
    for path in ([packages], [packages, vendored]):
        assert source_files.installed_distributions([str(folder) for folder in path]) == ["tfx-1.21.0"]
