"""One deployment for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.run_nodes import Deployment, compile_odd


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Yield a deployment whose servers these tests may kill."""
    folder = tmp_path_factory.mktemp("own")
    compile_odd(folder)
    deployment = Deployment(folder)
    yield deployment
    deployment.stop_servers()
