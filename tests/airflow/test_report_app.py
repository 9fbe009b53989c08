"""The report in Airflow's own API server: who may read it, and that nothing else can be read through it."""

import json
import os
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from fastapi.testclient import TestClient

from pipeline_lib.airflow.artifact_files import Listing, Place, file_in, places_of
from pipeline_lib.airflow.dag_runner import AirflowDagRunner
from pipeline_lib.airflow.node_page import node_page
from pipeline_lib.airflow.plugin import MnistLitePlugin
from pipeline_lib.airflow.report_app import FILE_HEADERS, HEADERS
from pipeline_lib.airflow.report_link import URL_PREFIX, ArtifactsLink, ModelReportLink, StatisticsLink
from pipeline_lib.graph import CompiledPipeline, Node
from pipeline_lib.node_result import NodeResult, OutputArtifact
from pipeline_lib.releases.store import Releases
from pipeline_lib.report_files import REPORT_NODE, REPORT_PAGE, REPORT_TYPE
from pipeline_lib.settings import settings
from tests.airflow.stack_fixtures import api_application

DAG_FILE = """
import json
from pathlib import Path
from airflow.sdk import DAG, task

with DAG({dag_id!r}) as dag:

    @task(task_id={task_id!r})
    def report():
        return json.loads(Path({result!r}).read_text())

    report()
"""
Get = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A deployment's state folder, with the settings of this process pointing there."""
    folder = tmp_path_factory.mktemp("var")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MNIST_LITE_VAR_DIR", str(folder))
        settings.cache_clear()
        yield folder
    settings.cache_clear()


@pytest.fixture(scope="module")
def report_run(places: Path, airflow_home: Path, airflow_database: None) -> Callable[..., str]:
    """Run a DAG whose ModelReport says that its report is in a folder; returns the run id."""
    from airflow.dag_processing.dagbag import DagBag

    def run(dag_id: str, uri: str, refused_data: bool = False) -> str:
        artifact = OutputArtifact(id=1, type=REPORT_TYPE, uri=uri)
        result = places / f"{dag_id}.json"
        done = NodeResult(node_id=REPORT_NODE, run_id="r", state="succeeded", outputs={"report": [artifact]})
        if refused_data:
            done = NodeResult(node_id="DataGate", run_id="r", state="failed", reason="the data is refused")
        done.model_copy(update={"report": f"{uri}/{REPORT_PAGE}"}).write(result)
        file = airflow_home / "dags" / f"{dag_id}.py"
        file.write_text(DAG_FILE.format(dag_id=dag_id, task_id=done.node_id, result=str(result)))
        finished = DagBag(str(file)).dags[dag_id].test()
        assert finished.state == "success"
        return str(finished.run_id)

    return run


@pytest.fixture(scope="module")
def get(places: Path, airflow_database: None) -> Iterator[Get]:
    """Ask Airflow's own API application, as a user of some role; None: without a token, "": a user without a role."""
    from airflow.api_fastapi import app as airflow_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    with api_application() as application:
        client = TestClient(application, follow_redirects=False)
        manager = airflow_app.get_auth_manager()

        def ask(
            path: str,
            role: str | None = "viewer",
            cookie: bool = False,
            token: str | None = None,
            method: str = "GET",
        ) -> httpx.Response:
            headers = {}
            if role is not None:
                token = token or manager.generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))
                headers = {"Cookie": f"_token={token}"} if cookie else {"Authorization": f"Bearer {token}"}
            return client.request(method, path, headers=headers)

        yield ask


@pytest.fixture(scope="module")
def served(places: Path, report_run: Callable[..., str]) -> str:
    """The path of a report that is there."""
    folder = places / "pipeline_root" / REPORT_NODE / "report" / "7"
    folder.mkdir(parents=True)
    for name in (REPORT_PAGE, "statistics.html", "evaluations.html", "report.json", "secret.txt"):
        (folder / name).write_text(json.dumps(name))
    return path_of("reported", report_run("reported", str(folder)))


def path_of(dag_id: str, run_id: str, page: str = REPORT_PAGE) -> str:
    return f"{URL_PREFIX}/dags/{dag_id}/runs/{urllib.parse.quote(run_id, safe='')}/{page}"


def test_whoever_may_read_the_dag_reads_its_report_by_token_or_by_the_uis_cookie(get: Get, served: str) -> None:
    for cookie in (False, True):
        answer = get(served, "viewer", cookie)
        assert (answer.status_code, answer.json()) == (200, REPORT_PAGE)
        assert answer.headers["content-type"].startswith("text/html")
    for page in ("statistics.html", "evaluations.html", "report.json"):
        assert get(served.replace(REPORT_PAGE, page)).json() == page


def test_without_a_login_it_is_401_whether_there_is_a_report_or_not(get: Get, served: str) -> None:
    for path in (served, served.replace("/reported/", "/nope/"), served.replace(REPORT_PAGE, "nope")):
        assert get(path, None).status_code == 401


def test_a_token_that_somebody_else_signed_is_refused(get: Get, served: str) -> None:
    forged = jwt.encode({"sub": "admin", "role": "admin", "exp": 2**40, "iat": 0}, "1" * 64, "HS512")
    assert get(served, token=forged).status_code == 403
    assert get(served, token=forged, cookie=True).status_code in (401, 403)


def test_without_permission_on_the_dag_it_is_403(get: Get, served: str) -> None:
    for path in (served, served.replace("/reported/", "/nope/"), served.replace(REPORT_PAGE, "nope")):
        assert get(path, "").status_code == 403


def test_permission_is_asked_for_the_runs_of_the_dag_in_the_path(
    get: Get, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

    asked = []

    def only_another(*, method: str, user: object, access_entity: object, details: object) -> bool:
        asked.append((method, access_entity, details.id))
        return details.id == "another"

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", only_another)
    # A query cannot stand in for the path.
    assert get(f"{served}?dag_id=another", "viewer").status_code == 403
    assert asked == [("GET", DagAccessEntity.RUN, "reported")]


def test_every_page_forbids_scripts_and_whatever_is_not_its_own(get: Get, served: str) -> None:
    for answer in (get(served), get(served.replace("/reported/", "/nope/"))):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "frame-ancestors 'self'" in policy


@pytest.mark.parametrize(
    "page",
    [
        "secret.txt",
        "nope.html",
        "../report.html",
        "..%2Freport.html",
        "%2e%2e%2fsecret.txt",
        "..%5creport.html",
        "%2Fetc%2Fpasswd",
        "report.html%00",
        "....//report.html",
        "",
    ],
)
def test_only_the_reports_own_files_are_served(get: Get, served: str, page: str) -> None:
    answer = get(served.removesuffix(REPORT_PAGE) + page)
    assert answer.status_code in (404, 307)
    assert b"secret" not in answer.content and b"root:" not in answer.content


def test_a_run_whose_data_was_refused_has_datagates_page(
    get: Get, places: Path, report_run: Callable[..., str]
) -> None:
    folder = places / "pipeline_root" / "DataGate" / "refused_data" / "9"
    folder.mkdir(parents=True)
    (folder / REPORT_PAGE).write_text("refused")
    run_id = report_run("refused_data", str(folder), refused_data=True)
    answer = get(path_of("refused_data", run_id))
    assert (answer.status_code, answer.text) == (200, "refused")
    assert get(path_of("refused_data", run_id), role=None).status_code == 401


def test_a_run_without_a_report_says_so(get: Get, served: str) -> None:
    answer = get(served.replace("/reported/", "/nope/"))
    assert answer.status_code == 404
    assert "ModelReport has not ended" in answer.text


def test_an_xcom_that_points_elsewhere_is_of_no_use(get: Get, places: Path, report_run: Callable[..., str]) -> None:
    outside = places / "outside"
    outside.mkdir()
    (outside / REPORT_PAGE).write_text("outside")
    link = places / "pipeline_root" / "link"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    for name, uri in (
        ("outside", str(outside)),
        ("up", f"{places}/pipeline_root/../outside"),
        ("linked", str(link)),
        ("beside", f"{places}/pipeline_root_of_another"),
    ):
        Path(f"{places}/pipeline_root_of_another").mkdir(exist_ok=True)
        Path(f"{places}/pipeline_root_of_another", REPORT_PAGE).write_text("outside")
        answer = get(path_of(name, report_run(name, uri)))
        assert answer.status_code == 404, uri
        assert "outside" not in answer.text


def test_a_page_that_is_a_link_out_of_its_folder_is_not_read(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "root" / "7"
    folder.mkdir(parents=True)
    (root / "secret").write_text("secret")
    (folder / "report.json").symlink_to(root / "secret")
    (folder / REPORT_PAGE).write_text("page")
    (folder / "same.html").symlink_to(REPORT_PAGE)
    page = folder.resolve() / REPORT_PAGE
    assert file_in(root, str(folder), REPORT_PAGE) == file_in(root, str(folder), "same.html") == page
    assert file_in(root, str(page), REPORT_PAGE) == page
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    for name in ("report.json", "../secret", str(root / "secret"), "fifo", "loop", "", ".", "x" * 300, "\0", "\ud800"):
        assert file_in(root, str(folder), name) is None, name
    for uri in (f"{folder}\0", str(folder / "loop"), str(folder / ("x" * 300)), str(tmp_path), "\ud800"):
        assert file_in(root, uri, REPORT_PAGE) is None, uri
    assert file_in(root, str(page), "report.json") is None


def nodes_path(dag_id: str, run_id: str, node_id: str = REPORT_NODE) -> str:
    return path_of(dag_id, run_id, f"nodes/{node_id}")


def test_a_nodes_artifacts_are_listed_to_whoever_may_read_the_run(get: Get, served: str) -> None:
    path = served.replace(REPORT_PAGE, f"nodes/{REPORT_NODE}")
    answer = get(path, "viewer", cookie=True)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    for name in (REPORT_PAGE, "secret.txt", "report: Report 1"):
        assert name in answer.text
    assert [get(path, role).status_code for role in (None, "")] == [401, 403]
    for nobody in (path.replace(REPORT_NODE, "Nobody"), path.replace("/reported/", "/nope/")):
        assert get(nobody).status_code == 404
    assert get(path.replace(REPORT_NODE, "..%2Fsecret.txt")).status_code == 404


def test_nothing_outside_is_listed_and_nothing_is_markup(
    get: Get, places: Path, report_run: Callable[..., str]
) -> None:
    outside = places / "elsewhere"
    outside.mkdir()
    (outside / "hidden").touch()
    inside = places / "pipeline_root" / "inside"
    inside.mkdir(parents=True)
    (inside / "<b>").touch()
    (inside / "link").symlink_to(outside)
    for name, uri in (("listed-out", str(outside)), ("listed-up", f"{inside}/../../elsewhere")):
        assert "hidden" not in get(nodes_path(name, report_run(name, uri))).text
    text = get(nodes_path("listed-in", report_run("listed-in", str(inside)))).text
    assert "&lt;b&gt;" in text and "<b>" not in text and "link" in text and "hidden" not in text


def page_of(result: NodeResult, root: Path, releases: Path, number: int = 1) -> str:
    return node_page(result, places_of(result, root, Releases(releases)), number, "/dags/d/runs/r").decode()


def made(*uris: object) -> NodeResult:
    """A node that says that it made artifacts, with these places and ids from 1 on."""
    outputs = [OutputArtifact(id=number, type="T", uri=str(uri)) for number, uri in enumerate(uris, 1)]
    return NodeResult(node_id="Pusher", run_id="r", state="succeeded", outputs={"made": outputs})


def test_a_pushers_page_lists_its_release_and_a_full_folder_ends(tmp_path: Path) -> None:
    root, pushed = tmp_path / "root", tmp_path / "pushed"
    for folder in (root, pushed / "3"):
        folder.mkdir(parents=True)
    (pushed / "3" / "model.tflite").write_bytes(b"0" * 1234)
    for number in range(201):
        (root / f"{number:03}").touch()
    result = made(root).model_copy(update={"pushed_version": "3", "pushed_to": str(pushed / "3")})
    page = page_of(result, root, pushed)
    assert "release 3" in page and "1,234 bytes" in page and 'href="Pusher/files/release/model.tflite"' in page
    assert 'href="/dags/d/runs/r"' in page
    assert ">199<" in page and ">200<" not in page and "only 200 are listed" in page
    assert "1,234" not in page_of(result, root, tmp_path / "another")


def test_whatever_is_on_the_disk_the_page_is_made(tmp_path: Path) -> None:
    odd, deep, loop = tmp_path / "odd", tmp_path / "deep", tmp_path / "loop"
    odd.mkdir()
    Path(os.fsdecode(os.fsencode(odd) + b"/\xff\xfe")).touch()
    (odd / "a b#c?.txt").touch()
    (odd / "self").symlink_to("self")
    loop.symlink_to(loop)
    inner = os.open(tmp_path, os.O_RDONLY)
    # Beyond a path's longest, so made step by step.
    for name in ("deep", *["d" * 250] * 20):
        os.mkdir(name, dir_fd=inner)
        inner, outer = os.open(name, os.O_RDONLY, dir_fd=inner), inner
        os.close(outer)
    os.close(inner)
    long = tmp_path / ("x" * 300)
    page = page_of(made(odd, deep, loop, long, "\0", "\ud800", "s3://bucket/x"), tmp_path, tmp_path)
    assert "\\udcff\\udcfe" in page and 'href="Pusher/files/1/a%20b%23c%3F.txt"' in page
    assert "not all are listed: File name too long" in page
    assert page.count('class="why"') == 6  # all but the first
    subprocess.run(["rm", "-r", deep], check=True)  # pytest's own removal is recursive


def test_a_tree_deeper_than_pythons_stack_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "z").touch()
    for _ in range(1200):
        folder /= "d"
        folder.mkdir()
    (folder / "last").touch()
    try:
        page = page_of(made(tmp_path / "deep"), tmp_path, tmp_path)
    finally:  # pytest's own clean-up could not
        subprocess.run(["rm", "-r", tmp_path / "deep"], check=True)
    assert page.index("d/" * 1200 + "last<") < page.index(">z<")


def test_of_many_artifacts_a_page_looks_at_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def listed(place: Place) -> Listing:
        looked.append(place.key)
        return Listing(place, [])

    monkeypatch.setattr("pipeline_lib.airflow.node_page.listing", listed)
    result = made(*[tmp_path] * 101)
    pages = {number: page_of(result, tmp_path, tmp_path, number) for number in (1, 2, 3, 4)}
    assert looked == [str(number) for number in range(1, 102)]
    assert "1 to 50 of 101" in pages[1] and "?page=2" in pages[1] and "Previous" not in pages[1]
    assert "101 to 101 of 101" in pages[3] and "?page=2" in pages[3] and "Next" not in pages[3]
    assert "none on this page" in pages[4]


def test_a_nodes_file_is_fetched_by_its_pages_link(get: Get, served: str, places: Path) -> None:
    page = served.replace(REPORT_PAGE, f"nodes/{REPORT_NODE}")
    [link] = re.findall(r'href="([^"]*secret.txt)"', get(page).text)
    answer = get(urllib.parse.urljoin(page, link))
    assert (answer.status_code, answer.json()) == (200, "secret.txt")
    assert answer.headers["content-disposition"] == 'attachment; filename="secret.txt"'
    assert {name: answer.headers[name] for name in FILE_HEADERS} == FILE_HEADERS
    assert FILE_HEADERS["Content-Security-Policy"].startswith("sandbox;") and answer.headers["etag"]
    html = get(urllib.parse.urljoin(page, link.replace("secret.txt", REPORT_PAGE)))
    assert html.headers["content-type"] == "application/octet-stream"
    [back] = re.findall(r'<nav><a href="([^"]*)"', get(page).text)
    assert back == page.removeprefix(URL_PREFIX).split("/nodes/")[0]
    (places / "pipeline_root" / "beside").write_text("beside")
    for other in ("../../../beside", "%2e%2e/%2e%2e/%2e%2e/beside", "%2Fetc%2Fpasswd", "nope", "%ff", "secret.txt%00"):
        answer = get(urllib.parse.urljoin(page, link).replace("secret.txt", other))
        assert (answer.status_code, "beside" in answer.text) == (404, False), other
    for other in ("2", "release", "x", "1%2F.."):
        assert get(urllib.parse.urljoin(page, link).replace("/files/1/", f"/files/{other}/")).status_code == 404


def test_files_and_pages_ask_for_the_same_permission(get: Get, served: str) -> None:
    page = served.replace(REPORT_PAGE, f"nodes/{REPORT_NODE}")
    for path in (page, f"{page}/files/1/secret.txt", f"{page}/files/1/nope", f"{page}/files/9/secret.txt"):
        assert [get(path, role).status_code for role in (None, "")] == [401, 403]


def test_head_answers_as_get_does_without_a_body(get: Get, served: str) -> None:
    page = served.replace(REPORT_PAGE, f"nodes/{REPORT_NODE}")
    for path in (served, page, f"{page}/files/1/secret.txt"):
        whole, head = get(path), get(path, method="HEAD")
        assert (head.status_code, head.content) == (200, b"")
        told = ("content-type", "etag", "content-security-policy")
        assert [head.headers.get(name) for name in told] == [whole.headers.get(name) for name in told]
    assert get(served.replace("/reported/", "/nope/"), method="HEAD").status_code == 404
    assert get(served, None, method="HEAD").status_code == 401


def test_pages_of_what_is_no_number_are_refused(get: Get, served: str) -> None:
    page = served.replace(REPORT_PAGE, f"nodes/{REPORT_NODE}")
    assert [get(f"{page}?page={number}").status_code for number in ("0", "-1", "x", "9" * 30)] == [422] * 4


def test_airflow_loads_the_plugin_and_shows_its_tab_on_a_run(get: Get) -> None:
    [plugin] = [item for item in get("/api/v2/plugins", "admin").json()["plugins"] if item["name"] == "mnist_lite"]
    [view] = plugin["external_views"]
    assert (view["destination"], view["url_route"]) == ("dag_run", "model-report")
    assert f"/{view['href']}" == f"{URL_PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}/{REPORT_PAGE}"
    assert [app["url_prefix"] for app in plugin["fastapi_apps"]] == [URL_PREFIX]
    assert plugin["listeners"] == ["pipeline_lib.airflow.run_note"]


def test_the_app_is_made_only_where_it_is_served() -> None:
    plugin = MnistLitePlugin()
    assert "fastapi_apps" not in vars(plugin)
    assert plugin.fastapi_apps is plugin.fastapi_apps


def test_evaluations_and_the_report_have_a_button_that_opens_the_runs_tab() -> None:
    nodes = (
        Node(id="Trainer", type="tfx.components.trainer.component.Trainer"),
        Node(id="Evaluator.a", type="tfx.components.evaluator.component.Evaluator", upstream=("Trainer",)),
        Node(id=REPORT_NODE, type="pipeline_lib.tfx.model_report.ModelReport", upstream=("Evaluator.a",)),
    )
    dag = AirflowDagRunner().run(CompiledPipeline(tfx_version="1.21.0", name="p", nodes=nodes, ir={}))
    linked = {task.task_id: [link.name for link in task.operator_extra_links] for task in dag.tasks}
    assert linked == {
        "Trainer": ["Artifacts"],
        "Evaluator.a": ["Model report", "Evaluations", "Artifacts"],
        REPORT_NODE: ["Model report", "Artifacts"],
    }
    without = AirflowDagRunner().run(CompiledPipeline(tfx_version="1.21.0", name="p", nodes=nodes[:2], ir={}))
    assert [link.name for link in without.get_task("Evaluator.a").operator_extra_links] == ["Artifacts"]


def test_the_buttons_address_survives_any_run_id() -> None:
    class Key:
        dag_id, run_id, task_id = "a dag", "manual__2026-11-24T03:00:00+00:00", "a/b"

    run = "/dags/a%20dag/runs/manual__2026-11-24T03%3A00%3A00%2B00%3A00"
    assert ModelReportLink().get_link(None, ti_key=Key()).endswith(f"{run}/plugin/model-report")
    assert ArtifactsLink().get_link(None, ti_key=Key()).endswith(f"{URL_PREFIX}{run}/nodes/a%2Fb")
    assert StatisticsLink().get_link(None, ti_key=Key()).endswith(f"{URL_PREFIX}{run}/statistics.html")
