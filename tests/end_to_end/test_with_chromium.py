"""Airflow's pages as a person uses them, in the installed Chromium. The last file: it leaves one release more."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from docs import chromium
from nightlite.deployment.local.airflow_config import USER
from nightlite.ondevice.gates.gate import Gates
from nightlite.ondevice.releases.manifest import sha256_of
from nightlite.ondevice.releases.store import Releases
from tests.browser import needs
from tests.end_to_end.conftest import Deployment, FinishedRun
from tests.end_to_end.test_with_approval import APPROVAL, clear, note, skipped, versions
from tests.names import PIPELINE_NAME
from web import in_chromium as web

pytestmark = needs(None if chromium.installed() else chromium.MISSING, "the UI")


def in_chromium(deployment: Deployment, step: str, *arguments: str) -> dict[str, Any]:
    """Run one of chromium_steps.py, in the environment of `make screenshots`. Return what it saw."""
    user = {"NIGHTLITE_USER": USER, "NIGHTLITE_PASSWORD": deployment.airflow.password()}
    steps = (step, deployment.airflow.url, *arguments)
    done = chromium.run("tests.end_to_end.chromium_steps", *steps, environment=user)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def before(deployment: Deployment) -> list[int]:
    return versions(deployment)


@pytest.fixture(scope="module")
def triggered(deployment: Deployment, before: list[int]) -> dict[str, Any]:
    """Return what the form said, and the runs that it made."""
    known = {run.dag_run_id for run in deployment.rest.runs(PIPELINE_NAME, limit=100)}
    seen = in_chromium(deployment, "trigger")
    runs = {run.dag_run_id: run for run in deployment.rest.runs(PIPELINE_NAME, limit=100)}
    return {**seen, "runs": {run_id: run.conf for run_id, run in runs.items() if run_id not in known}}


@pytest.fixture(scope="module")
def rejected(deployment: Deployment, triggered: dict[str, Any]) -> tuple[dict[str, Any], FinishedRun]:
    """Return what the question said before it was answered, and the run that came of it."""
    question = in_chromium(deployment, "answer", triggered["run_id"], "Reject")
    return question, deployment.finished(PIPELINE_NAME, triggered["run_id"])


def gates_of(run: FinishedRun) -> list[tuple[str, str]]:
    """Return each gate that the run's model passed, and who judged it."""
    [blessing] = [made for made in run.result("EdgeValidator").artifacts() if made.type == "InfraBlessing"]
    gates = Gates.read(Path(blessing.uri)).gates
    assert len(gates) > 15 and all(gate.passed for gate in gates)
    return [(gate.subject, gate.node_id) for gate in gates]


def test_the_form_shows_what_is_refused_and_starts_what_is_not(triggered: dict[str, Any]) -> None:
    assert triggered["refused"] == "learning_rate: expected a number, above 0, up to 1. Received: -1"
    assert list(triggered["runs"]) == [triggered["run_id"]]
    conf = triggered["runs"][triggered["run_id"]]
    assert (conf["quantization"], conf["approval"], conf["learning_rate"]) == ("float16", "required", 0.005)


def test_the_question_has_the_figures_every_gate_and_the_report(
    deployment: Deployment, before: list[int], rejected: tuple[dict[str, Any], FinishedRun]
) -> None:
    asked, run = rejected
    against = f"(release {before[-1]}: 9" if before else "(there is no release yet)"
    assert asked["subject"].startswith("Push 9") and against in asked["subject"]
    assert [row[0] for row in asked["figures"]] == ["accuracy", "size"]
    assert all(figure in asked["subject"] for row in asked["figures"] for figure in row[1:])
    assert [(row[0], row[1]) for row in asked["gates"]] == gates_of(run)
    path = f"/dags/{PIPELINE_NAME}/runs/{quote(run.run_id, safe='')}/plugin/model-report"
    assert asked["report"] == deployment.airflow.url + path
    candidate = f"/nightlite/dags/{PIPELINE_NAME}/runs/{quote(run.run_id, safe='')}/try"
    assert asked["candidate"] == deployment.airflow.url + candidate


@needs(web.missing(), "a candidate in a browser")
def test_the_candidate_is_tried_on_a_page_that_reads_nothing_of_airflow(
    deployment: Deployment, rejected: tuple[dict[str, Any], FinishedRun]
) -> None:
    _, run = rejected
    web.install_runtime()
    seen = in_chromium(deployment, "candidate", run.run_id)
    assert seen["state"] == "10 of 10 golden examples as on the build host"
    assert seen["verdict"] in tuple("0123456789")
    [model] = [made for made in run.result("Trainer.mnist_lite").artifacts() if made.type == "Model"]
    assert sha256_of(Path(model.uri, "Format-Serving", "tflite")) in seen["facts"]
    assert seen["origin"] == "null"
    assert seen["reads"] == ["SecurityError", "SecurityError", "TypeError"]


def test_rejected_by_a_click_nothing_is_pushed(
    deployment: Deployment, before: list[int], rejected: tuple[dict[str, Any], FinishedRun]
) -> None:
    _, run = rejected
    assert skipped(run).startswith(f"not pushed: rejected by {USER}, ")
    assert versions(deployment) == before


def test_approved_by_a_click_it_is_pushed_and_the_manifest_says_by_whom(
    deployment: Deployment, before: list[int], rejected: tuple[dict[str, Any], FinishedRun]
) -> None:
    run_id = rejected[1].run_id
    clear(deployment, run_id, APPROVAL)
    assert in_chromium(deployment, "answer", run_id, "Approve")["gates"] == rejected[0]["gates"]
    approved = deployment.finished(PIPELINE_NAME, run_id)
    assert set(approved.states().values()) == {"success"}
    [version] = set(versions(deployment)) - set(before)
    manifest = Releases(deployment.folders.releases).release(version).manifest
    assert manifest.approval and (manifest.approval.decision, manifest.approval.user) == ("approved", USER)
    assert manifest.run_id == run_id
    assert (note(deployment, run_id) or "").startswith(f"released {version}: 9")


def test_another_origins_page_starts_no_run_and_embeds_nothing(deployment: Deployment, before: list[int]) -> None:
    known = {run.dag_run_id for run in deployment.rest.runs(PIPELINE_NAME, limit=100)}
    seen = in_chromium(deployment, "attack")
    assert (seen["script reads"], seen["cookie"]) == ("", [True, "Lax"])
    blocked = "chrome-error://chromewebdata/"
    # To a browser, another port is the same site: the cookie came, and was refused. Without a cookie it is 401.
    assert seen["127.0.0.1"] == {"status": 403, "embedded": blocked}
    assert seen["localhost"] == {"status": 401, "embedded": blocked}
    assert {run.dag_run_id for run in deployment.rest.runs(PIPELINE_NAME, limit=100)} == known


def test_the_runs_tab_shows_the_verdict(deployment: Deployment, rejected: tuple[dict[str, Any], FinishedRun]) -> None:
    run = rejected[1]
    page = in_chromium(deployment, "report", run.run_id)
    gates = gates_of(run)
    assert f"Blessed: all {len(gates)} gates passed" in page["text"]
    assert run.run_id in page["text"]
    assert [tuple(row[i] for i in (0, 1, 5)) for row in page["gates"]] == [("✔", *gate) for gate in gates]
    assert page["address"].endswith("/plugin/model-report")


def test_the_dags_tab_lists_the_releases_and_their_links_lead_to_report_and_file(
    deployment: Deployment, rejected: tuple[dict[str, Any], FinishedRun]
) -> None:
    seen = in_chromium(deployment, "releases")
    assert [int(row[0]) for row in seen["rows"]] == versions(deployment)[::-1]
    releases = Releases(deployment.folders.releases)
    assert seen["try"] == [f"releases/{version}/try" for version in versions(deployment)[::-1]]
    assert [row[0] for row in seen["rows"] if "latest" in row[2]] == [str(releases.latest_version())]
    newest = releases.release(int(seen["rows"][0][0])).manifest
    assert seen["bytes"] == newest.size_bytes
