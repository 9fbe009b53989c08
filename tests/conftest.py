"""Fixtures and hooks that the tests of both environments share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightlite.deployment.settings import Settings, settings
from nightlite.settings import forget_settings

# As a process of an Airflow that is started: no settings.env of the person who runs the tests.
os.environ["NIGHTLITE_STACK"] = "the tests"


def pytest_collection_finish() -> None:
    """Take what was imported out of the garbage collector's rounds: TFX is a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Yield settings of a deployment in `tmp_path`, which the code under test reads as well."""
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    forget_settings()
    yield settings()
    forget_settings()
