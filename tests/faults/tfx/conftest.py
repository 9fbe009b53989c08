"""One run of the real pipeline on few digits, for all the faults that come after it."""

import pytest

from tests.ondevice.in_tfx.gate_laboratory import Laboratory, Run, few_digits, new_laboratory
from tests.run_nodes import mariadb_url

__all__ = ["mariadb_url"]


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    return new_laboratory(tmp_path_factory.mktemp("laboratory"), few_digits())


@pytest.fixture(scope="session")
def good(laboratory: Laboratory) -> Run:
    """Return a whole run with nothing wrong in it, released."""
    run = laboratory.run("good", epochs=2)
    assert run["Pusher.mnist_lite"].pushed
    return run
