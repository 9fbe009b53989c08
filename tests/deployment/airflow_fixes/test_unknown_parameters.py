"""Unknown run parameters in Airflow's own API server: refused where our runner rendered the DAG, and nowhere else."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from nightlite.deployment.airflow_fixes import unknown_parameters
from nightlite.deployment.airflow_fixes.body_limit import REQUEST_BYTES
from nightlite.runner.compiled_pipeline import CompiledPipeline
from tests.real_airflow import deployed_api_application, token

OURS = """
from pathlib import Path
from airflow.sdk import Param
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner

config = AirflowPipelineConfig(
    airflow_dag_config={{"schedule": "@daily", "params": {{"ticket": Param("none", type="string")}}}},
)
dag = AirflowDagRunner(config).run(Path({path!r}))
"""
OTHERS = (
    "from airflow.sdk import DAG, BaseOperator\n"
    "dag = DAG('theirs', schedule=None, params={'x': 1})\nBaseOperator(task_id='a', dag=dag)\n"
)
WITH_A_GROUP = """
from pathlib import Path
from airflow.sdk import DAG
from nightlite.runner.in_airflow import TfxTaskGroup

with DAG("grouped", schedule=None, params={{"x": 1}}):
    TfxTaskGroup("train", pipeline=Path({path!r}))
"""

Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, airflow_database: None, pipeline: CompiledPipeline
) -> Iterator[TestClient]:
    """Return Airflow's API application, with one DAG of ours and one that is not."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    folder = tmp_path_factory.mktemp("dags")
    pipeline.write(folder / "ours.json")
    (folder / "ours.py").write_text(OURS.format(path=str(folder / "ours.json")))
    (folder / "theirs.py").write_text(OTHERS)
    (folder / "grouped.py").write_text(WITH_A_GROUP.format(path=str(folder / "ours.json")))
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(str(folder))
    assert not bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)
    with deployed_api_application() as application:
        yield TestClient(application)


@pytest.fixture
def post(server: TestClient) -> Post:
    """POST to the API as a user of some role; None: without a token."""

    def send(path: str, form: Any, role: str | None = "user") -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        if role:
            headers["Authorization"] = f"Bearer {token(role)}"
        content = form if isinstance(form, bytes) else json.dumps(form)
        return server.post(f"/api/v2/{path}", content=content, headers=headers)

    return send


def trigger(post: Post, conf: Any, dag_id: str = "diamond", **more: Any) -> httpx.Response:
    return post(f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf}, **more)


def runs(server: TestClient) -> int:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        return session.query(DagRun).filter(DagRun.dag_id == "diamond").count()


def test_an_unknown_name_is_refused_and_the_answer_says_all(post: Post, server: TestClient) -> None:
    before = runs(server)
    answer = trigger(post, {"epoch": 3, "rate": 0.1})
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "Did you mean epochs? Expected only run parameters that diamond has (ticket, epochs, rate, note). "
        "Received: epoch=3"
    )
    assert runs(server) == before


def test_what_the_dag_has_is_taken_and_checked_by_airflow_as_ever(post: Post, server: TestClient) -> None:
    before = runs(server)
    assert trigger(post, {"epochs": 3, "ticket": "T-1"}).status_code == 200
    assert trigger(post, None).status_code == 200
    refused = trigger(post, {"epochs": 0})
    assert refused.status_code == 400
    assert refused.json()["detail"] == "epochs: expected an integer, at least 1. Received: 0"
    assert runs(server) == before + 2


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_a_number_that_no_bound_would_refuse_is_refused(post: Post, number: str) -> None:
    answer = post("dags/diamond/dagRuns", b'{"logical_date": null, "conf": {"rate": %s}}' % number.encode())
    assert answer.status_code == 400
    assert answer.json()["detail"] == f"rate: expected a finite number. Received: {float(number)}"


def test_airflow_still_takes_unknown_names_where_our_runner_did_not_render_the_dag(post: Post) -> None:
    assert trigger(post, {"anything": 1}, dag_id="theirs").status_code == 200
    # Theirs too, though one of its task groups is a pipeline.
    assert trigger(post, {"anything": 1}, dag_id="grouped").status_code == 200
    assert trigger(post, {"anything": 1}, dag_id="none").status_code == 404


def test_backfills_are_refused_too(post: Post, server: TestClient) -> None:
    before = runs(server)
    form = {"dag_id": "diamond", "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}
    for path in ("backfills", "backfills/dry_run"):
        answer = post(path, {**form, "dag_run_conf": {"spam": 1}}, role="op")
        assert (answer.status_code, "Received: spam=1" in answer.text) == (400, True), answer.text
        answer = post(path, {**form, "dag_run_conf": {"epochs": 0}}, role="op")
        assert answer.status_code == 400
        assert answer.json()["detail"] == "epochs: expected an integer, at least 1. Received: 0"
        assert post("backfills/dry_run", {**form, "dag_run_conf": {"epochs": 2}}, role="op").status_code == 200
    assert runs(server) == before


def test_people_who_may_not_trigger_learn_nothing_of_the_parameters(post: Post) -> None:
    for role, status in ((None, 401), ("viewer", 403)):
        answer = trigger(post, {"epoch": 3}, role=role)
        assert answer.status_code == status
        assert "epochs" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe\xff", b'{"conf": [1]}', b"[" * 100_000])
def test_what_is_malformed_is_answered_by_airflow(post: Post, body: bytes) -> None:
    answer = post("dags/diamond/dagRuns", body)
    assert answer.status_code in (400, 422)
    assert "run parameters" not in answer.text


def test_a_body_that_is_too_long_makes_no_run_whatever_it_holds(post: Post, server: TestClient) -> None:
    before = runs(server)
    form = {"logical_date": None, "conf": {"spam": "x" * REQUEST_BYTES}}
    for path in ("dags/diamond/dagRuns", "assets/1/materialize", "backfills", "backfills/dry_run"):
        for role in ("op", "viewer", None):
            answer = post(path, form, role=role)
            assert answer.status_code == 413
            assert answer.json()["detail"] == "expected a body of at most 1024 KiB. Received: a longer one"
    assert runs(server) == before
    longest = json.dumps({"logical_date": None, "conf": {"note": ""}}).encode()
    longest = longest.replace(b'""', b'"' + b"x" * (REQUEST_BYTES - len(longest)) + b'"')
    assert (len(longest), post("dags/diamond/dagRuns", longest).status_code) == (REQUEST_BYTES, 200)


def test_another_sites_page_starts_no_run_with_a_persons_cookie(server: TestClient) -> None:
    before = runs(server)
    for origin, status in (("http://evil.example", 403), (str(server.base_url).rstrip("/"), 200)):
        headers = {"Cookie": f"_token={token()}", "Origin": origin}
        form = {"logical_date": None, "conf": {}}
        assert server.post("/api/v2/dags/diamond/dagRuns", json=form, headers=headers).status_code == status
    assert runs(server) == before + 1


def test_nothing_is_looked_up_for_people_who_are_not_logged_in(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of these no database can be asked for: Airflow's answer is due, not the guard's failure."""
    asked: list[Any] = []
    monkeypatch.setattr(unknown_parameters, "_refusal_of", lambda *what: asked.append(what))
    for dag_id in ("diamond", "\ud800"):
        form = {"dag_id": dag_id, "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}
        for path in ("backfills", "backfills/dry_run"):
            assert post(path, {**form, "dag_run_conf": {"spam": 1}}, role=None).status_code == 401
    assert asked == []


def test_of_many_unknown_names_some_are_told(post: Post) -> None:
    answer = trigger(post, {f"spam{number}": number for number in range(50_000)})
    assert answer.status_code == 400
    assert "spam0=0" in answer.text and "and 49990 more" in answer.text and len(answer.text) < 1000


@pytest.mark.parametrize("conf", [{"\ud800": "\ud800"}, {"epochs": "\ud800"}, {"note": "\ud800"}], ids=ascii)
def test_whatever_a_parameter_holds_the_answer_is_a_refusal(post: Post, conf: dict[str, Any]) -> None:
    assert trigger(post, conf).status_code == 400


def test_the_official_client_reads_what_a_dag_can_be_told(server: TestClient) -> None:
    """docs/start_run.py asks for it."""
    from airflow_client.client import DAGDetailsResponse

    answer = server.get("/api/v2/dags/diamond/details", headers={"Authorization": f"Bearer {token()}"})
    details = DAGDetailsResponse.from_json(answer.text)
    assert details and details.params
    types = {name: param["schema"]["type"] for name, param in details.params.items()}
    assert types == {"epochs": "integer", "rate": "number", "note": "string", "ticket": "string"}
