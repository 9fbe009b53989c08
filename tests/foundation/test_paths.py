"""Where the project is: a checkout's root, or a folder in Airflow's home, never a folder of installed packages."""

from pathlib import Path

import pytest

from nightlite.paths import IS_CHECKOUT, PACKAGE, PROJECT, SOURCES, project_of

INSTALLED = Path("/env/lib/python3.11/site-packages/nightlite")


def test_a_checkouts_project_is_its_root() -> None:
    assert IS_CHECKOUT
    assert (PROJECT / "pyproject.toml").is_file()
    assert PACKAGE == SOURCES / "nightlite"


@pytest.mark.parametrize(
    ("home", "project"),
    [("/srv/airflow", "/srv/airflow/nightlite"), ("", "/users/a/airflow/nightlite"), ("~/x", "/users/a/x/nightlite")],
)
def test_a_wheels_project_is_in_airflows_home(monkeypatch: pytest.MonkeyPatch, home: str, project: str) -> None:
    monkeypatch.setenv("HOME", "/users/a")
    assert project_of(INSTALLED, {"AIRFLOW_HOME": home}) == (Path(project), False)
