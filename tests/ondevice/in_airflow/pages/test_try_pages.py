"""The pages that run a release or a candidate: who may read them, what may run in them, and what they say instead."""

import hashlib
import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from models.mnist.on_device import MODEL
from nightlite.errors import WebRuntimeError
from nightlite.ondevice.contract.golden import Golden, GoldenExample
from nightlite.ondevice.in_airflow.pages import try_pages
from nightlite.ondevice.in_airflow.pages.links import URL_PREFIX
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import settings
from nightlite.ondevice.try_it.declared import for_pages
from nightlite.ondevice.try_it.runtime import WebRuntime
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.node_result import NodeResult, OutputArtifact
from tests.ondevice.in_airflow.pages.conftest import Get
from tests.ondevice.releases.made_releases import push

DAG_ID = MODEL.pipeline_name
RELEASE = f"{URL_PREFIX}/dags/{DAG_ID}/releases/1/try"
DAG_FILE = """
import json
from pathlib import Path
from airflow.sdk import DAG, task

with DAG({dag_id!r}) as dag:
    for task_id, file in {results!r}.items():

        @task(task_id=task_id)
        def node(file):
            return json.loads(Path(file).read_text())

        node(file)
"""


def artifact(var_dir: Path, node_id: str, kind: str, execution: int = 7, **files: bytes) -> NodeResult:
    """Return the result of a node that made one artifact of these files, in Format-Serving for a Model."""
    folder = var_dir / "mnist" / "artifacts" / node_id / str(execution)
    inner = folder / "Format-Serving" if kind == "Model" else folder
    inner.mkdir(parents=True)
    for name, content in files.items():
        (inner / name.replace("_", ".")).write_bytes(content)
    made = OutputArtifact(id=1, type=kind, uri=str(folder))
    return NodeResult(node_id=node_id, run_id="r", state="succeeded", outputs={"out": [made]})


@pytest.fixture(scope="module", autouse=True)
def compiled(var_dir: Path) -> None:
    pipeline = CompiledPipeline(tfx_version="1", name=DAG_ID, nodes=(), ir={}, pages=for_pages(MODEL))
    pipeline.write(settings().compiled_file(MODEL))


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_pages, "web_runtime", lambda: WebRuntime("const LiteRt = 1;", "AAAA", "a licence"))


@pytest.fixture(scope="module")
def release(var_dir: Path) -> str:
    push(Releases(var_dir / "mnist" / "releases"), "the file", "run-1")
    return RELEASE


@pytest.fixture(scope="module")
def candidate(var_dir: Path, airflow_home: Path, airflow_database: None) -> str:
    """Return the address of the page of a run with a model and its golden examples."""
    from airflow.dag_processing.dagbag import DagBag

    content = b"the candidate"
    example = GoldenExample(label="3", inputs={"image_floats": (0.5,)}, outputs={"probabilities": (1.0,)})
    golden = Golden(sha256=hashlib.sha256(content).hexdigest(), tolerance=1e-5, examples=(example,))
    results = {}
    for result in (
        artifact(var_dir, "Trainer.mnist_lite", "Model", tflite=content),
        artifact(var_dir, "EdgeValidator", "InfraBlessing", golden_json=golden.model_dump_json().encode()),
    ):
        results[result.node_id] = str(var_dir / f"{result.node_id}.json")
        result.write(Path(results[result.node_id]))
    grouped = artifact(var_dir, "Trainer.mnist_lite", "Model", execution=8, tflite=b"another's")
    results["team.Trainer.mnist_lite"] = str(var_dir / "grouped.json")
    grouped.write(Path(results["team.Trainer.mnist_lite"]))
    file = airflow_home / "dags" / f"{DAG_ID}.py"
    file.write_text(DAG_FILE.format(dag_id=DAG_ID, results=results))
    run = DagBag(str(file)).dags[DAG_ID].test()
    return f"{URL_PREFIX}/dags/{DAG_ID}/runs/{urllib.parse.quote(str(run.run_id), safe='')}/try"


def subject(page: str) -> dict[str, Any]:
    [found] = re.findall(r'id="subject">(.*?)</script>', page, re.DOTALL)
    return dict(json.loads(found))


@pytest.mark.parametrize("which", ["release", "candidate"])
def test_a_reader_of_the_dag_gets_the_page_in_an_origin_of_its_own(
    get: Get, which: str, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(which)
    answer = get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'; script-src 'sha256-")
    assert "allow-same-origin" not in policy and policy.endswith("; frame-ancestors 'self'")
    assert [answer.headers[name] for name in ("cache-control", "x-content-type-options")] == [
        "private, no-cache",
        "nosniff",
    ]
    head = get(path, method="HEAD")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    again = get(path, **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get(path, role=None).status_code == 401 and get(path, role="").status_code == 403


def test_the_candidates_page_has_its_file_and_the_examples_of_edge_validator(get: Get, candidate: str) -> None:
    page = get(candidate).text
    found = subject(page)
    assert found["sha256"] == hashlib.sha256(b"the candidate").hexdigest() == found["golden"]["sha256"]
    assert found["picture"]["width"] == 28 and "function prepare(" in page and "· candidate<" in page


def test_a_task_groups_candidate_is_its_own(get: Get, candidate: str) -> None:
    found = subject(get(f"{candidate}?group=team").text)
    assert (found["sha256"], found["golden"]) == (hashlib.sha256(b"another's").hexdigest(), None)
    assert get(f"{candidate}?group=nope").status_code == 404


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (RELEASE.replace("/1/", "/9/"), r"expected one of the versions there are \(1\). Received: 9"),
        (RELEASE.replace(DAG_ID, "other"), "This DAG makes no releases"),
        (f"{URL_PREFIX}/dags/{DAG_ID}/runs/nope/try", "This run has no file to try"),
    ],
)
def test_what_is_not_there_is_a_sentence(get: Get, release: str, path: str, reason: str) -> None:
    answer = get(path)
    assert answer.status_code == 404 and re.search(reason, answer.text)
    assert "script-src" not in answer.headers["content-security-policy"]


def test_without_the_runtime_the_page_says_what_to_run(get: Get, release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> WebRuntime:
        raise WebRuntimeError("<dist>: run 'make web'")

    monkeypatch.setattr(try_pages, "web_runtime", missing)
    answer = get(release)
    assert answer.status_code == 404 and "&lt;dist&gt;: run &#x27;make web&#x27;" in answer.text


def test_a_damaged_release_is_refused(get: Get, var_dir: Path, release: str) -> None:
    file = var_dir / "mnist" / "releases" / "1" / "model.tflite"
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(b"changed.")
    try:
        assert "Do not use this release" in get(release).text
    finally:
        file.write_bytes(content)
