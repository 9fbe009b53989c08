"""One sentence before a node starts, where the TFX environment is not there or not of this version."""

from pathlib import Path

import pytest

from nightlite.runner.tfx_env.check import why_not

RECORD = "../../../bin/nightlite,sha256=b,9\nnightlite/paths.py,sha256=a,3\nnightlite/cli.py,sha256={},{}\n"


@pytest.fixture
def airflow(tmp_path: Path) -> Path:
    """Return the folder that Airflow's side imports nightlite from."""
    install(tmp_path / "airflow", "0.1.0", RECORD.format("c", 5))
    return tmp_path / "airflow"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Return the interpreter of an environment that holds the same nightlite, by another installer."""
    python = tmp_path / "tfx" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    lines = RECORD.format("c", 5).splitlines()[:0:-1]
    install(packages(python), "0.1.0", "\n".join([*lines, "nightlite/__pycache__/paths.cpython-311.pyc,,"]))
    return python


def packages(python: Path) -> Path:
    return python.parent.parent / "lib/python3.11/site-packages"


def install(folder: Path, version: str, record: str) -> None:
    info = folder / f"nightlite-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "RECORD").write_text(record)


def test_the_same_files_on_both_sides_are_fine(python: Path, airflow: Path, tmp_path: Path) -> None:
    assert why_not(python, tmp_path, False, airflow) == ""


def test_an_environment_of_another_version_is_to_be_made_again(python: Path, airflow: Path, tmp_path: Path) -> None:
    install(packages(python), "0.0.9", "")
    said = why_not(python, tmp_path, False, airflow)
    assert "environment (0.1.0) in" in said and "Received: 0.0.9 and 0.1.0 in" in said
    assert f"Run 'nightlite tfx-env {tmp_path / 'tfx'}' again" in said


@pytest.mark.parametrize("changed", [RECORD.format("d", 6), RECORD.format("c", 5) + "nightlite/new.py,sha256=e,1\n"])
def test_so_is_one_of_the_same_version_with_another_line_of_code(
    python: Path, airflow: Path, tmp_path: Path, changed: str
) -> None:
    install(airflow, "0.1.0", changed)
    said = why_not(python, tmp_path, False, airflow)
    assert "Received: 0.1.0, with other files in" in said and "again" in said


def test_an_environment_without_nightlite_is_refused_except_in_a_checkout(airflow: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.touch()
    assert "Received: none" in why_not(python, tmp_path, False, airflow)
    assert why_not(python, tmp_path, is_checkout=True) == ""


def test_what_is_not_there_is_named_with_its_setting(python: Path, tmp_path: Path) -> None:
    for is_checkout in (False, True):
        assert "NIGHTLITE_TFX_PYTHON" in why_not(tmp_path / "nope", tmp_path, is_checkout)
        assert "NIGHTLITE_PROJECT_DIR" in why_not(python, tmp_path / "nope", is_checkout)
