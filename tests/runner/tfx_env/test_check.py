"""One sentence before a node starts, where the TFX environment is not there or not of this version."""

from pathlib import Path

import pytest

from nightlite import VERSION
from nightlite.runner.tfx_env.check import why_not


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Return the interpreter of an environment that holds this version."""
    python = tmp_path / "tfx" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    install(python, VERSION)
    return python


def install(python: Path, version: str) -> None:
    (python.parent.parent / "lib/python3.11/site-packages" / f"nightlite-{version}.dist-info").mkdir(parents=True)


def test_the_same_version_on_both_sides_is_fine(python: Path, tmp_path: Path) -> None:
    assert why_not(python, tmp_path, is_checkout=False) == ""


def test_an_environment_of_another_version_is_to_be_made_again(python: Path, tmp_path: Path) -> None:
    install(python, "0.0.9")
    said = why_not(python, tmp_path, is_checkout=False)
    assert f"Received: 0.0.9 and {VERSION}" in said
    assert f"Run 'nightlite tfx-env {tmp_path / 'tfx'}' again" in said


def test_an_environment_without_nightlite_is_refused_except_in_a_checkout(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.touch()
    assert "Received: none" in why_not(python, tmp_path, is_checkout=False)
    assert why_not(python, tmp_path, is_checkout=True) == ""


def test_what_is_not_there_is_named_with_its_setting(python: Path, tmp_path: Path) -> None:
    for is_checkout in (False, True):
        assert "NIGHTLITE_TFX_PYTHON" in why_not(tmp_path / "nope", tmp_path, is_checkout)
        assert "NIGHTLITE_PROJECT_DIR" in why_not(python, tmp_path / "nope", is_checkout)
