"""Every route that this project adds to Airflow's server, asked by anyone who should not be told."""

import configparser
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from nightlite.deployment.local.airflow_config import _TUNING, LocalAirflow
from nightlite.ondevice.in_airflow.plugin import NightlitePlugin
from nightlite.ondevice.report_files import REPORT_PAGE
from nightlite.paths import PROJECT
from nightlite.runner.in_airflow.plugin import RunnerPlugin
from tests.ondevice.in_airflow.pages.conftest import get, var_dir
from tests.ondevice.in_airflow.pages.test_app import report_run, served

__all__ = ["get", "report_run", "served", "var_dir"]

Get = Callable[..., httpx.Response]
GARBAGE = (
    "x",
    "a.b.c",
    "null",
    "0" * 10_000,
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9.",
    "{{ x }}",
)
# Ways to say "one folder up" and "from the root", as servers and proxies have been fooled by.
TRAVERSALS = (
    *("..", "%2e%2e", "%252e%252e", "..%00", ".%2e", "%2e.", "..;", "..%c0%af", "%uff0e%uff0e", "..%ef%bc%8f"),
    *(
        "..%5c..%5c",
        "%2F%2Fetc%2Fpasswd",
        "%252Fetc%252Fpasswd",
        "file:%2F%2F%2Fetc%2Fpasswd",
        "~root",
        "C:%5cboot.ini",
    ),
    *("report.html%2f..%2fsecret.txt", "report.html;secret.txt", "report.html%23", "report.html%3f", "REPORT.HTML"),
    *("report.json%0d%0aX-Injected:%201", "%2e%2e%2f%2e%2e%2f%2e%2e%2fairflow%2fpasswords.json", "%ff%fe", "."),
)


def routes() -> Iterator[str]:
    """Yield each path of each application of our plugins, with words in the place of its parameters."""
    plugins = (NightlitePlugin(), RunnerPlugin())
    for plugin in plugins:
        assert not getattr(plugin, "flask_blueprints", []) and not getattr(plugin, "appbuilder_views", [])
        # The deployment's own plugin has middlewares alone: tests/deployment/airflow_fixes/test_plugin.py.
        assert plugin.fastapi_root_middlewares == []
    for served_app in (app for plugin in plugins for app in plugin.fastapi_apps):
        app = served_app["app"]
        assert isinstance(app, FastAPI)
        for route in app.routes:
            assert isinstance(route, Route | type(app.routes[-1])), f"{route} is no plain route: test it, too"
            path = route.path
            for name in ("dag_id", "run_id", "page", "task_id", "node_id", "key", "path:path"):
                path = path.replace(f"{{{name}}}", "reported")
            path = path.replace("{version}", "1").replace("{name}", "manifest.json")
            assert "{" not in path, f"{path}: say what to ask it for"
            yield f"{served_app['url_prefix']}{path}"


def test_no_route_answers_without_a_login(get: Get) -> None:
    found = list(routes())
    assert found
    for path in found:
        assert get(path, None).status_code == 401, path


@pytest.mark.parametrize("cookie", [False, True], ids=["header", "cookie"])
def test_no_route_takes_an_expired_an_invented_or_a_tasks_token(get: Get, cookie: bool) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args

    tasks = JWTGenerator(**get_signing_args(), valid_for=600, audience="urn:airflow.apache.org:task")
    of_task = tasks.generate({"sub": "admin", "role": "admin"})
    admin = SimpleAuthManagerUser(username="somebody", role="admin")
    expired = get_auth_manager().generate_jwt(admin, expiration_time_in_seconds=-60)
    for path in routes():
        for given in (expired, of_task, *GARBAGE):
            answer = get(path, given=given, cookie=cookie)
            assert answer.status_code in (401, 403), (path, given[:40])
            assert "Traceback" not in answer.text


def test_an_admins_token_that_has_not_expired_does_open_them(get: Get, served: str) -> None:
    assert get(served, "admin").status_code == 200


@pytest.mark.parametrize("word", TRAVERSALS)
@pytest.mark.parametrize("place", ["page", "run", "dag"])
def test_no_word_in_the_path_leads_out_of_the_report(
    get: Get, served: str, var_dir: Path, word: str, place: str
) -> None:
    (var_dir / "airflow").mkdir(exist_ok=True)
    (var_dir / "airflow" / "passwords.json").write_text("secret")
    start, dag, _, run, _ = served.rsplit("/", 4)
    path = {
        "page": f"{start}/{dag}/runs/{run}/{word}",
        "run": f"{start}/{dag}/runs/{word}/{REPORT_PAGE}",
        "dag": f"{start}/{word}/runs/{run}/{REPORT_PAGE}",
    }[place]
    answer = get(path, "admin")
    assert answer.status_code in (307, 400, 403, 404, 405), answer.text
    assert b"secret" not in answer.content and b"root:" not in answer.content
    assert "x-injected" not in answer.headers


def test_what_is_secret_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """All that the local Airflow writes for itself, under the most careless umask."""
    home = tmp_path / "airflow"
    umask = os.umask(0)
    try:
        LocalAirflow(home, 1, tmp_path / "dags").write()
    finally:
        os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir()) if path.name != "logs"}
    assert modes == {"airflow": 0o700, "airflow.cfg": 0o600, "passwords.json": 0o600, "plugins": 0o700}


def test_no_server_describes_its_api_in_a_page() -> None:
    config = configparser.RawConfigParser()
    config.read(PROJECT / "docker" / "airflow" / "airflow.cfg")
    assert [config["api"]["enable_swagger_ui"], _TUNING["api"]["enable_swagger_ui"]] == ["False", "False"]
