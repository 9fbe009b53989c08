"""One deployment for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.run_nodes import Deployment, odd_deployment


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Yield a deployment whose servers these tests may kill."""
    yield from odd_deployment(tmp_path_factory.mktemp("own"))
