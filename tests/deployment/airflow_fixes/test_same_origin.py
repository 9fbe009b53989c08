"""Requests that a browser sends with a person's cookies, from pages of this server and of others."""

from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient

from nightlite.deployment.airflow_fixes.same_origin import SameOrigin
from tests.real_airflow import api_application, token

OWN = {"Sec-Fetch-Site": "same-origin"}
TOKEN = {"Cookie": "_token=t"}


@pytest.fixture(scope="module")
def client(airflow_home: Any) -> TestClient:
    app = FastAPI()

    @app.api_route("/changed", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def changed() -> str:
        return "changed"

    @app.get("/own-policy")
    def own_policy() -> Response:
        return Response(headers={"Content-Security-Policy": "default-src 'none'"})

    @app.post("/auth/token", status_code=201)
    def token() -> dict[str, str]:
        return {"access_token": "t"}

    app.add_middleware(SameOrigin)
    return TestClient(app, base_url="http://airflow.example:8080")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "http://airflow.example"},
        {"Origin": "http://airflow.example:8081"},
        {"Origin": "http://airflow.example:8080.evil.example"},
        {"Origin": "http://evil.example@airflow.example:8080"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        # The scheme differs: a page that came without TLS is another origin, of the same host.
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://airflow.example:8080"},
        {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
        {"Authorization": "Bearer "},
    ],
    ids=str,
)
def test_a_cookie_from_elsewhere_changes_nothing(client: TestClient, method: str, headers: dict[str, str]) -> None:
    for cookie in (TOKEN, {"Cookie": "a=b; session=s"}):
        answer = client.request(method, "/changed", headers=headers | cookie)
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith("expected a cookie only from this server's own pages")


@pytest.mark.parametrize(
    "headers",
    [
        TOKEN | OWN,
        TOKEN | {"Origin": "http://airflow.example:8080"},
        TOKEN | {"Origin": "HTTP://Airflow.Example:8080"},
        TOKEN | {"Origin": "https://people.example", "X-Forwarded-Host": "people.example, airflow.example"},
        TOKEN | {"Origin": "https://people.example", "Sec-Fetch-Site": "same-origin"},
        # A program sends its token itself, and a request without a login is Airflow's to refuse.
        TOKEN | {"Origin": "http://evil.example", "Authorization": "Bearer t"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://evil.example", "Cookie": "theme=dark"},
    ],
    ids=str,
)
def test_own_pages_and_programs_are_let_through(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/changed", headers=headers).json() == "changed"


def test_what_changes_nothing_is_let_through(client: TestClient) -> None:
    assert client.get("/changed", headers=TOKEN | {"Sec-Fetch-Site": "cross-site"}).json() == "changed"


def test_the_address_and_the_origins_that_airflow_is_told_are_its_own(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://people.example/airflow")
    monkeypatch.setenv("AIRFLOW__API__ACCESS_CONTROL_ALLOW_ORIGINS", "https://portal.example")
    for headers in (
        {"Origin": "https://people.example"},
        {"Origin": "https://portal.example", "Sec-Fetch-Site": "cross-site"},
    ):
        assert client.post("/changed", headers=TOKEN | headers).status_code == 200
    assert client.post("/changed", headers=TOKEN | {"Origin": "https://evil.example"}).status_code == 403


def test_no_other_page_embeds_ours(client: TestClient) -> None:
    for answer in (client.get("/changed"), client.get("/nothing"), client.post("/changed", headers=TOKEN)):
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert client.get("/own-policy").headers["Content-Security-Policy"] == "default-src 'none'"


def test_a_login_in_a_browser_sets_a_cookie_that_no_script_reads(client: TestClient) -> None:
    for scheme, last in (("http", "samesite=lax"), ("https", "secure")):
        answer = client.post(f"{scheme}://airflow.example:8080/auth/token", headers=OWN)
        assert answer.json() == {"access_token": "t"}
        parts = [part.strip().lower() for part in answer.headers["set-cookie"].split(";")]
        assert parts[0] == "_token=t" and {"httponly", "path=/", "samesite=lax", last} <= set(parts)
    client.cookies.clear()
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}):
        assert "set-cookie" not in client.post("/auth/token", headers=headers).headers


def test_airflow_still_takes_a_cookie_from_another_origins_page(airflow_database: None) -> None:
    headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    with api_application() as application:
        headers["Cookie"] = f"_token={token('admin')}"
        answer = TestClient(application).post("/api/v2/variables", json={"key": "k", "value": "v"}, headers=headers)
    assert answer.status_code == 201, answer.text
