"""The page of a node's outputs of any pipeline: who may read it, and from which folders alone its files come."""

import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from nightlite.runner.in_airflow.pages import node_notes
from nightlite.runner.in_airflow.pages.links import URL_PREFIX
from nightlite.runner.in_airflow.plugin import RunnerPlugin
from nightlite.runner.node_result import NodeResult, OutputArtifact
from nightlite.runner.settings import Settings
from nightlite.settings import forget_settings
from tests.real_airflow import api_application, token

DAG_FILE = """
import json
from airflow.sdk import DAG, task

with DAG("anybodys") as dag:

    @task(task_id="Trainer")
    def trainer():
        return json.loads({result!r})

    trainer()
"""


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder whose `root` is the only pipeline root that may be shown."""
    folder = tmp_path_factory.mktemp("roots")
    for name in ("root", "beside"):
        (folder / name).mkdir()
        (folder / name / "model.bin").write_text(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLITE_PIPELINE_ROOTS", str(folder / "root"))
        forget_settings()
        yield folder
    forget_settings()


@pytest.fixture(scope="module")
def page(roots: Path, airflow_home: Path, airflow_database: None) -> str:
    """Return the path of the page of a node that says that it made both folders."""
    from airflow.dag_processing.dagbag import DagBag

    outputs = [OutputArtifact(id=number, type="Model", uri=str(roots / name)) for number, name in PLACES.items()]
    result = NodeResult(node_id="Trainer", run_id="r", state="succeeded", outputs={"model": outputs})
    file = airflow_home / "dags" / "anybodys.py"
    file.write_text(DAG_FILE.format(result=json.dumps(result.model_dump(mode="json"))))
    run = DagBag(str(file)).dags["anybodys"].test()
    assert run.state == "success"
    return f"{URL_PREFIX}/dags/anybodys/runs/{urllib.parse.quote(run.run_id, safe='')}/nodes/Trainer"


PLACES = {1: "root", 2: "beside"}


@pytest.fixture(scope="module")
def get(airflow_database: None) -> Iterator[Callable[..., httpx.Response]]:
    with api_application() as application:
        client = TestClient(application, follow_redirects=False)
        yield lambda path, role: client.get(path, headers={"Authorization": f"Bearer {token(role)}"} if role else {})


def test_files_below_a_pipeline_root_are_listed_and_fetched_and_no_others(
    get: Callable[..., httpx.Response], page: str
) -> None:
    answer = get(page, "viewer")
    assert answer.status_code == 200
    links = re.findall(r'href="(Trainer/[^"]*)"', answer.text)
    assert links == ["Trainer/files/1/model.bin"]
    assert "so not listed" in answer.text
    fetched = get(urllib.parse.urljoin(page, links[0]), "viewer")
    assert (fetched.status_code, fetched.text) == (200, "root")
    assert get(f"{page}/files/2/model.bin", "viewer").status_code == 404


def test_only_readers_of_the_dags_runs_are_answered(get: Callable[..., httpx.Response], page: str) -> None:
    for path in (page, f"{page}/files/1/model.bin"):
        assert [get(path, role).status_code for role in (None, "viewer")] == [401, 200]


def test_the_roots_are_below_the_state_folder_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTLITE_PIPELINE_ROOTS", raising=False)
    assert Settings(var_dir=tmp_path).roots_shown == [tmp_path / "pipelines"]
    assert Settings(pipeline_roots="/a::/b").roots_shown == [Path("/a"), Path("/b")]


def test_the_plugin_adds_an_app_and_nothing_that_concerns_other_dags() -> None:
    from airflow.plugins_manager import AirflowPlugin

    plugin, bare = RunnerPlugin(), AirflowPlugin()
    empty = [name for name, value in vars(AirflowPlugin).items() if value == []]
    assert {name for name in empty if getattr(plugin, name) != getattr(bare, name)} == {"fastapi_apps", "listeners"}
    assert [app["url_prefix"] for app in plugin.fastapi_apps] == [URL_PREFIX]
    assert plugin.listeners == [node_notes]  # which writes on our operator's tasks only: test_node_notes.py
