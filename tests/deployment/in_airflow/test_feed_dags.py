"""dags/feeds.py: a DAG for each model that is switched on, whatever is wrong with the models."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from nightlite.deployment.models import names
from nightlite.ondevice.feed import keys
from nightlite.ondevice.settings import enabled_variable, settings
from nightlite.paths import PROJECT
from nightlite.settings import forget_settings

FILE = PROJECT / "dags" / "feeds.py"
FIRST, *OTHERS = names()


@pytest.fixture(autouse=True)
def var_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    forget_settings()
    yield
    forget_settings()


def dag_ids() -> set[str]:
    found = DagBag(str(FILE))
    assert not found.import_errors
    return set(found.dags)


def test_there_are_none_without_keys() -> None:
    assert dag_ids() == set()


def test_each_model_has_one_unless_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    keys.make(settings().feed_keys_dir)
    assert dag_ids() == {f"{name}_feed" for name in (FIRST, *OTHERS)}
    monkeypatch.setenv(enabled_variable(FIRST), "false")
    assert dag_ids() == {f"{name}_feed" for name in OTHERS}


def test_a_malformed_setting_of_a_model_ends_no_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    keys.make(settings().feed_keys_dir)
    monkeypatch.setenv(f"NIGHTLITE_{FIRST.upper()}_APPROVAL_HOURS", "long")
    assert dag_ids() == {f"{name}_feed" for name in (FIRST, *OTHERS)}


def test_it_imports_no_model_and_nothing_that_signs() -> None:
    keys.make(settings().feed_keys_dir)
    program = (
        f"import runpy, sys; found = runpy.run_path({str(FILE)!r});"
        f"assert {f'{FIRST}_feed'!r} in found;"
        "print(*(name for name in sys.modules if name.split('.')[0] in ('models', 'tuf', 'model_signing')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == ""
