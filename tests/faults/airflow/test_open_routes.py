"""Every route of the whole API server, the tasks' API among them, asked without a login or with another API's token."""

import configparser
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.routing import Mount

from pipeline_lib.airflow.local_config import _TUNING
from pipeline_lib.airflow.report_link import URL_PREFIX
from pipeline_lib.places import PROJECT
from pipeline_lib.report_files import REPORT_PAGE
from tests.airflow.stack_fixtures import api_application

REFUSED = {401, 403, 404, 405}
# What answers without a login: health, the login, and what is the same in every Airflow of a version: the UI's
# pages, the version, the descriptions of its APIs.
OPEN = {
    "/api/v2/monitor/health",
    *("/api/v2/auth/login", "/api/v2/auth/logout", "/auth/token", "/auth/token/cli"),
    *("/auth/{rest_of_path:path}", "/{rest_of_path:path}"),
    *("/api/v2/version", "/openapi.json"),
    *("/auth/docs", "/auth/docs/oauth2-redirect", "/auth/redoc", "/auth/openapi.json"),
    *("/execution/docs", "/execution/docs/oauth2-redirect", "/execution/redoc", "/execution/changelog"),
}


@pytest.fixture(scope="module")
def client(airflow_database: None) -> Iterator[TestClient]:
    variables = {f"AIRFLOW__API__{name.upper()}": value for name, value in _TUNING["api"].items()}
    with (
        api_application("all", **variables) as application,
        TestClient(application, follow_redirects=False, raise_server_exceptions=False) as client,
    ):
        yield client


def routes(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each method and path, once for each version of an API that has several."""
    for route in app.routes:
        if isinstance(route, Mount):
            inner = route.app
            yield from routes(inner, prefix + route.path) if hasattr(inner, "routes") else [("GET", f"{route.path}/x")]
        else:
            yield from ((method, prefix + route.path) for method in sorted(route.methods))


def test_without_a_login_only_what_is_listed_answers(client: TestClient) -> None:
    found = sorted(set(routes(client.app)))
    assert len(found) > 150
    assert {"/api/v2/dags", f"{URL_PREFIX}/dags/{{dag_id}}/runs/{{run_id}}/{{page}}"} < {path for _, path in found}
    answered = {}
    for method, path in found:
        body = {} if method in ("GET", "HEAD") else {"json": {}}
        answer = client.request(method, re.sub(r"\{[^}]*\}", "1", path), **body)
        assert answer.status_code < 500, (method, path)
        if answer.status_code not in REFUSED:
            answered[path] = answer.status_code
    assert set(answered) == OPEN
    assert {answered[path] for path in ("/auth/token", "/auth/token/cli")} == {422}
    assert {answered[path] for path in ("/api/v2/auth/login", "/api/v2/auth/logout")} == {307}


def test_what_is_open_tells_nothing_of_this_deployment(client: TestClient) -> None:
    assert client.get("/dags/mnist_tflite").text == client.get("/nothing").text
    assert client.get("/docs").text == client.get("/nothing").text  # where a setting has Airflow describe its API
    for path in ("/static/%2e%2e/index.html", "/static/..%2f..%2fairflow.cfg", "/auth/static/%2e%2e%2findex.html"):
        assert client.get(path).status_code == 404, path


def test_the_containers_server_has_its_descriptions_off_too() -> None:
    config = configparser.RawConfigParser()
    config.read(PROJECT / "docker" / "airflow" / "airflow.cfg")
    assert config.getboolean("api", "enable_swagger_ui") is False


def token(audience: str, subject: str) -> str:
    """A token that Airflow itself signs, for whichever of its APIs."""
    from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args

    generator = JWTGenerator(**get_signing_args(), valid_for=600, audience=audience)
    return generator.generate({"sub": subject, "role": "admin"})


def asked(client: TestClient, given: str) -> dict[str, int]:
    """What a token opens: ours, the API for people and programs, a task's."""
    headers = {"Authorization": f"Bearer {given}"}
    report = f"{URL_PREFIX}/dags/a/runs/b/{REPORT_PAGE}"
    form = {"logical_date": None, "conf": {}}
    return {
        "report": client.get(report, headers=headers).status_code,
        "report by cookie": client.get(report, headers={"Cookie": f"_token={given}"}).status_code,
        "trigger": client.post("/api/v2/dags/a/dagRuns", json=form, headers=headers).status_code,
        "dags": client.get("/api/v2/dags", headers=headers).status_code,
        "task": client.get("/execution/variables/none", headers=headers).status_code,
    }


def test_a_tasks_token_opens_nothing_but_the_tasks_api_and_a_persons_not_that(client: TestClient) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.sdk.configuration import conf

    manager = get_auth_manager()
    of_tasks = conf.get("execution_api", "jwt_audience").split(",")[0]
    assert of_tasks == "urn:airflow.apache.org:task" != manager._get_jwt_audience()
    for subject in ("admin", str(uuid.uuid4())):
        refused = asked(client, token(of_tasks, subject))
        assert refused.pop("task") == 404 or subject == "admin"
        assert set(refused.values()) <= {401, 403}, refused
    opened = asked(client, token(manager._get_jwt_audience(), "admin"))
    assert opened == {"report": 404, "report by cookie": 404, "trigger": 404, "dags": 200, "task": opened["task"]}
    assert opened["task"] in (401, 403)
