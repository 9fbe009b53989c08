"""The report in Airflow's own API server: who may read it, and that nothing else can be read through it."""

import json
import os
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import cast

import jwt
import pytest
from sqlalchemy.orm import Session

from nightlite.ondevice.in_airflow.pages.app import report_folder
from nightlite.ondevice.in_airflow.pages.links import (
    URL_PREFIX,
    ArtifactsLink,
    ModelReportLink,
    StatisticsLink,
    links_of,
)
from nightlite.ondevice.in_airflow.pages.node_outputs import outputs_of
from nightlite.ondevice.in_airflow.plugin import NightlitePlugin
from nightlite.ondevice.report_files import REPORT_NODE, REPORT_PAGE, REPORT_TYPE
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.settings import Settings
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.runner.in_airflow.pages.app import FILE_HEADERS, HEADERS
from nightlite.runner.in_airflow.pages.node_page import node_page
from nightlite.runner.in_airflow.pages.output_files import file_in
from nightlite.runner.node_result import NodeResult, OutputArtifact
from tests.ondevice.in_airflow.pages.conftest import Get
from tests.results import node_result, with_facts

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


@pytest.fixture(scope="module")
def report_run(var_dir: Path, airflow_home: Path, airflow_database: None) -> Callable[..., str]:
    """Run a DAG whose ModelReport says that its report is in a folder; returns the run id."""
    from airflow.dag_processing.dagbag import DagBag

    def run(dag_id: str, uri: str, refused_data: bool = False) -> str:
        artifact = OutputArtifact(id=1, type=REPORT_TYPE, uri=uri)
        result = var_dir / f"{dag_id}.json"
        done = NodeResult(node_id=REPORT_NODE, run_id="r", state="succeeded", outputs={"report": [artifact]})
        if refused_data:
            done = NodeResult(node_id="DataGate", run_id="r", state="failed", reason="the data is refused")
        with_facts(done, report=f"{uri}/{REPORT_PAGE}").write(result)
        file = airflow_home / "dags" / f"{dag_id}.py"
        file.write_text(DAG_FILE.format(dag_id=dag_id, task_id=done.node_id, result=str(result)))
        finished = DagBag(str(file)).dags[dag_id].test()
        assert finished.state == "success"
        return str(finished.run_id)

    return run


@pytest.fixture(scope="module")
def served(var_dir: Path, report_run: Callable[..., str]) -> str:
    """Return the path of a report that is there."""
    folder = var_dir / "mnist" / "artifacts" / REPORT_NODE / "report" / "7"
    folder.mkdir(parents=True)
    for name in (REPORT_PAGE, "statistics.html", "evaluations.html", "report.json", "secret.txt", "../beside"):
        (folder / name).write_text(json.dumps(name))
    return path_of("reported", report_run("reported", str(folder)))


def path_of(dag_id: str, run_id: str, page: str = REPORT_PAGE) -> str:
    return f"{URL_PREFIX}/dags/{dag_id}/runs/{urllib.parse.quote(run_id, safe='')}/{page}"


# What stands in place of the report's own page in an address.
NODE = f"nodes/{REPORT_NODE}"
FILE = f"{NODE}/files/1/secret.txt"


@pytest.mark.parametrize(
    ("page", "kind", "headers"),
    [
        *((name, "text/html", HEADERS) for name in (REPORT_PAGE, "statistics.html", "evaluations.html", NODE)),
        ("report.json", "application/json", HEADERS),
        *((f"{NODE}/files/1/{name}", "application/octet-stream", FILE_HEADERS) for name in (REPORT_PAGE, "secret.txt")),
    ],
)
def test_whoever_may_read_the_dag_reads_its_report_and_files_and_no_script_runs(
    get: Get, served: str, page: str, kind: str, headers: dict[str, str]
) -> None:
    path = served.replace(REPORT_PAGE, page)
    for answer in (get(path), get(path, cookie=True)):
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        assert {name: answer.headers[name] for name in headers} == headers
        assert answer.text == json.dumps(page.rpartition("/")[2]) or page == NODE
    head = get(path, method="HEAD")
    told = ("content-type", "etag", "content-security-policy")
    assert (head.status_code, head.content) == (200, b"")
    assert [head.headers.get(name) for name in told] == [answer.headers.get(name) for name in told]
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "frame-ancestors 'self'" in policy
    assert policy.startswith("sandbox;") is (headers is FILE_HEADERS)


@pytest.mark.parametrize(
    "page", [REPORT_PAGE, "nope", NODE, FILE, f"{NODE}/files/1/nope", f"{NODE}/files/9/secret.txt"]
)
@pytest.mark.parametrize("dag", ["reported", "nope"])
def test_without_a_login_it_is_401_and_without_permission_403_whatever_there_is(
    get: Get, served: str, page: str, dag: str
) -> None:
    path = served.replace(REPORT_PAGE, page).replace("/reported/", f"/{dag}/")
    forged = jwt.encode({"sub": "admin", "role": "admin", "exp": 2**40, "iat": 0}, "1" * 64, "HS512")
    assert [get(path, role).status_code for role in (None, "")] == [401, 403]
    assert [get(path, given=forged, cookie=cookie).status_code for cookie in (False, True)] == [403, 403]
    assert get(path, None, method="HEAD").status_code == 401


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


@pytest.mark.parametrize(
    "page",
    [
        *("secret.txt", "nope.html", "..%2F7%2Freport.html", "..%5creport.html", "%2Fetc%2Fpasswd", "report.html%00"),
        *(f"{NODE}/files/1/{name}" for name in ("nope", "..%2Fbeside", "%2Fetc%2Fpasswd", "%ff", "secret.txt%00")),
        *(f"{NODE}/files/{key}/secret.txt" for key in ("2", "release", "x", "1%2F..")),
        "nodes/Nobody",
    ],
)
def test_only_the_reports_own_pages_and_the_artifacts_own_files_are_served(get: Get, served: str, page: str) -> None:
    answer = get(served.replace(REPORT_PAGE, page))
    assert answer.status_code == 404
    assert not any(held in answer.text for held in ("secret", "report.html", "beside", "root:"))


def test_a_run_whose_data_was_refused_has_datagates_page(
    get: Get, var_dir: Path, report_run: Callable[..., str]
) -> None:
    folder = var_dir / "mnist" / "artifacts" / "DataGate" / "refused_data" / "9"
    folder.mkdir(parents=True)
    (folder / REPORT_PAGE).write_text("refused")
    answer = get(path_of("refused_data", report_run("refused_data", str(folder), refused_data=True)))
    assert (answer.status_code, answer.text) == (200, "refused")


@pytest.mark.parametrize(
    ("page", "said"), [(REPORT_PAGE, "ModelReport has not ended"), (NODE, "no result"), (FILE, "no such file")]
)
def test_a_run_without_a_report_says_so(get: Get, served: str, page: str, said: str) -> None:
    answer = get(served.replace(REPORT_PAGE, page).replace("/reported/", "/nope/"))
    assert (answer.status_code, said in answer.text) == (404, True)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("dag_id", "uri"),
    [
        ("out", "outside"),
        ("up", "mnist/artifacts/../outside"),
        ("linked", "mnist/artifacts/link"),
        ("beside", "mnist/artifacts_2"),
        ("airflows_own", "airflow"),
    ],
)
def test_an_xcom_that_points_elsewhere_is_of_no_use(
    get: Get, var_dir: Path, report_run: Callable[..., str], dag_id: str, uri: str
) -> None:
    for folder in ("outside", "mnist/outside", "mnist/artifacts_2", "mnist/artifacts", "airflow"):
        (var_dir / folder).mkdir(parents=True, exist_ok=True)
        (var_dir / folder / REPORT_PAGE).write_text("hidden")
    if not (link := var_dir / "mnist" / "artifacts" / "link").exists():
        link.symlink_to(var_dir / "outside")
    run_id = report_run(dag_id, f"{var_dir}/{uri}")
    for page in (REPORT_PAGE, f"{NODE}/files/1/{REPORT_PAGE}"):
        assert get(path_of(dag_id, run_id, page)).status_code == 404
    page = get(path_of(dag_id, run_id, NODE)).text
    assert "so not listed" in page and "files/" not in page


def test_a_page_that_is_a_link_out_of_its_folder_is_not_read(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "root" / "7"
    folder.mkdir(parents=True)
    (root / "secret").write_text("secret")
    (folder / "report.json").symlink_to(root / "secret")
    (folder / REPORT_PAGE).write_text("page")
    (folder / "same.html").symlink_to(REPORT_PAGE)
    page = folder.resolve() / REPORT_PAGE
    assert file_in([root], str(folder), REPORT_PAGE) == file_in([root], str(folder), "same.html") == page
    assert file_in([root], str(page), REPORT_PAGE) == page
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    for name in ("report.json", "../secret", str(root / "secret"), "fifo", "loop", "", ".", "x" * 300, "\0", "\ud800"):
        assert file_in([root], str(folder), name) is None, name
    for uri in (f"{folder}\0", str(folder / "loop"), str(folder / ("x" * 300)), str(tmp_path), "\ud800"):
        assert file_in([root], uri, REPORT_PAGE) is None, uri
    assert file_in([root], str(page), "report.json") is None


def page_of(result: NodeResult, var_dir: Path) -> str:
    outputs = outputs_of(result, Settings(var_dir=var_dir))
    return node_page(f"group.{result.node_id}", result, outputs, "/dags/d/runs/r", facts_of(result).refusals)


def made(*uris: object) -> NodeResult:
    """Return a node that says that it made artifacts, in these folders and with ids from 1 on."""
    outputs = [OutputArtifact(id=number, type="T", uri=str(uri)) for number, uri in enumerate(uris, 1)]
    return NodeResult(node_id="Pusher", run_id="r", state="succeeded", outputs={"made": outputs})


def test_a_pushers_page_lists_its_release_and_a_full_folder_ends(tmp_path: Path) -> None:
    root, pushed = (tmp_path / "mnist" / name for name in ("artifacts", "releases"))
    for folder in (root, pushed / "3"):
        folder.mkdir(parents=True)
    (pushed / "3" / "model.tflite").write_bytes(b"0" * 1234)
    for number in range(201):
        (root / f"{number:03}").touch()
    result = with_facts(made(root), pushed_version="3", pushed_to=str(pushed / "3"))
    page = page_of(result, tmp_path)
    assert "release 3" in page and "1,234 bytes" in page and 'href="group.Pusher/files/release/model.tflite"' in page
    assert 'href="/dags/d/runs/r"' in page
    assert ">199<" in page and ">200<" not in page and "only 200 are listed" in page
    assert "1,234" not in page_of(result, tmp_path / "another")


def test_a_nodes_page_has_its_reason_and_each_gate_that_refused(tmp_path: Path) -> None:
    result = with_facts(made().model_copy(update={"reason": "not blessed"}), refusals=["size <big>", "latency"])
    page = page_of(result, tmp_path)
    assert "succeeded: not blessed" in page
    assert "<p>Refused: size &lt;big&gt;</p>" in page and "<p>Refused: latency</p>" in page


def test_whatever_is_on_the_disk_the_page_is_made_and_nothing_is_markup(tmp_path: Path) -> None:
    root = tmp_path / "mnist" / "artifacts"
    odd, empty, loop = root / "odd", root / "empty", root / "loop"
    for folder in (odd / "b", empty):
        folder.mkdir(parents=True)
    for name in ("b/a b#c?.txt", "<b>"):
        (odd / name).touch()
    (odd / "self").symlink_to("self")
    loop.symlink_to(loop)
    page = page_of(made(odd, odd / "<b>", empty, loop, root / ("x" * 300), root / "gone", "\0", "s3://b/x"), tmp_path)
    assert 'href="group.Pusher/files/1/b/a%20b%23c%3F.txt"' in page and ">self<" in page
    assert page.count("&lt;b&gt;") == 3 and "<b>" not in page
    assert page.count('class="why"') == 6  # all but the first two


def test_a_nodes_file_is_fetched_by_its_pages_link(get: Get, served: str) -> None:
    path = served.replace(REPORT_PAGE, NODE)
    page = get(path).text
    assert "report: Report 1" in page
    [link] = re.findall(r'href="([^"]*secret.txt)"', page)
    answer = get(urllib.parse.urljoin(path, link))
    assert (answer.status_code, answer.json()) == (200, "secret.txt")
    assert answer.headers["content-disposition"] == 'attachment; filename="secret.txt"'
    [back] = re.findall(r'<nav><a href="([^"]*)"', page)
    assert back == path.removeprefix(URL_PREFIX).split("/nodes/")[0]


def test_airflow_loads_the_plugin_and_shows_its_tabs_on_a_run_and_on_a_dag(get: Get) -> None:
    [plugin] = [item for item in get("/api/v2/plugins", "admin").json()["plugins"] if item["name"] == "nightlite"]
    views = {view["url_route"]: (view["destination"], f"/{view['href']}") for view in plugin["external_views"]}
    assert views == {
        "model-report": ("dag_run", f"{URL_PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}/{REPORT_PAGE}"),
        "releases": ("dag", f"{URL_PREFIX}/dags/{{DAG_ID}}/releases"),
    }
    assert [app["url_prefix"] for app in plugin["fastapi_apps"]] == [URL_PREFIX]
    assert plugin["listeners"] == ["nightlite.ondevice.in_airflow.pages.run_note"]


def test_the_app_is_made_only_where_it_is_served() -> None:
    plugin = NightlitePlugin()
    assert "fastapi_apps" not in vars(plugin)
    assert plugin.fastapi_apps is plugin.fastapi_apps


def test_evaluations_and_the_report_have_a_button_that_opens_the_runs_tab() -> None:
    nodes = (
        Node(id="Trainer", type="tfx.components.trainer.component.Trainer"),
        Node(id="Evaluator.a", type="tfx.components.evaluator.component.Evaluator", upstream=("Trainer",)),
        Node(id=REPORT_NODE, type="nightlite.ondevice.in_tfx.report.component.ModelReport", upstream=("Evaluator.a",)),
    )
    dag = AirflowDagRunner(AirflowPipelineConfig(links=links_of)).run(
        CompiledPipeline(tfx_version="1.21.0", name="p", nodes=nodes, ir={})
    )
    linked = {task.task_id: [link.name for link in task.operator_extra_links] for task in dag.tasks}
    assert linked == {
        "Trainer": ["Artifacts"],
        "Evaluator.a": ["Model report", "Evaluations", "Artifacts"],
        REPORT_NODE: ["Model report", "Artifacts"],
    }
    without = AirflowDagRunner(AirflowPipelineConfig(links=links_of)).run(
        CompiledPipeline(tfx_version="1.21.0", name="p", nodes=nodes[:2], ir={})
    )
    assert [link.name for link in without.get_task("Evaluator.a").operator_extra_links] == ["Artifacts"]


def test_the_buttons_address_survives_any_run_id() -> None:
    class Key:
        dag_id, run_id, task_id = "a dag", "manual__2026-11-24T03:00:00+00:00", "a/b"

    run = "/dags/a%20dag/runs/manual__2026-11-24T03%3A00%3A00%2B00%3A00"
    assert ModelReportLink().get_link(None, ti_key=Key()).endswith(f"{run}/plugin/model-report")
    assert ArtifactsLink().get_link(None, ti_key=Key()).endswith(f"{URL_PREFIX}{run}/nodes/a%2Fb")
    assert StatisticsLink().get_link(None, ti_key=Key()).endswith(f"{URL_PREFIX}{run}/statistics.html")


def test_a_task_groups_buttons_lead_to_its_own_report_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    class Key:
        dag_id, run_id, task_id = "d", "r", "outer.train.Trainer.mnist"

    class Task:
        tfx_node_id = "Trainer.mnist"

    page = f"{URL_PREFIX}/dags/d/runs/r/{{}}.html?group=outer.train"
    assert ModelReportLink().get_link(Task(), ti_key=Key()).endswith(page.format("report"))
    assert StatisticsLink().get_link(Task(), ti_key=Key()).endswith(page.format("statistics"))
    files = ArtifactsLink().get_link(Task(), ti_key=Key())
    assert files.endswith("/runs/r/nodes/outer.train.Trainer.mnist")
    found = {f"{group}.{REPORT_NODE}": node_result(REPORT_NODE, report=f"/{group}/report.html") for group in "ab"}
    monkeypatch.setattr("nightlite.ondevice.in_airflow.pages.app.stored_results", lambda *_: found)
    folders = [report_folder(cast(Session, None), "d", "r", group) for group in ("a", "b", "c", "")]
    assert folders == ["/a", "/b", None, "/b"]
