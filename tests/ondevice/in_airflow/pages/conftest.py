"""Airflow's own API server with the pages in it, for the tests of what they serve to whom."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from nightlite.settings import forget_settings
from tests.real_airflow import deployed_api_application, token

Get = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a deployment's state folder, with the settings of this process pointing there."""
    folder = tmp_path_factory.mktemp("var")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLITE_VAR_DIR", str(folder))
        forget_settings()
        yield folder
    forget_settings()


@pytest.fixture(scope="module")
def get(var_dir: Path, airflow_database: None) -> Iterator[Get]:
    """Ask Airflow's own API application, as a user of some role; None: without a token, "": a user without a role."""
    with deployed_api_application() as application:
        client = TestClient(application, follow_redirects=False)

        def ask(
            path: str,
            role: str | None = "viewer",
            cookie: bool = False,
            given: str = "",
            method: str = "GET",
            **more: str,
        ) -> httpx.Response:
            headers = dict(more)
            if role is not None:
                given = given or token(role)
                headers |= {"Cookie": f"_token={given}"} if cookie else {"Authorization": f"Bearer {given}"}
            return client.request(method, path, headers=headers)

        yield ask
