"""Notices and metrics of real runs under the real Airflow: what arrives, and that no secret is left anywhere."""

import contextlib
from urllib.parse import quote

import pytest

from nightlite.ondevice.in_airflow.notice.message import Notice
from nightlite.ondevice.in_airflow.notice.task import NOTICE_TASK
from nightlite.ondevice.results.node_facts import facts_of
from tests.end_to_end.conftest import HOOK_PATH, HOOK_SECRET, MAIL_PASSWORD, TIMED, TOLD, Deployment, FinishedRun, Told
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def refused(deployment: Deployment) -> FinishedRun:
    """Return a run that is refused, after one of the project's own DAG that was not."""
    assert deployment.run().state == "success"
    return deployment.run(TOLD, min_accuracy=1.01)


@pytest.fixture(scope="module")
def failed(deployment: Deployment, refused: FinishedRun) -> FinishedRun:
    """Return a run whose data is refused."""
    return deployment.run(TOLD, max_anomalies=-1)


@pytest.fixture(scope="module")
def timed(deployment: Deployment) -> FinishedRun:
    """Return a run that is longer than its `dagrun_timeout`."""
    return deployment.run(TIMED)


def notices(told: Told, run: FinishedRun) -> dict[str, Notice]:
    """Return what the webhook was told of a run, by event: each one once."""
    found = [Notice.model_validate_json(body) for _, _, body in told.hook.posts]
    of_run = [notice for notice in found if notice.run_id == run.run_id]
    assert len({notice.event for notice in of_run}) == len(of_run)
    return {notice.event: notice for notice in of_run}


def test_a_refused_run_is_told_with_its_figures_and_those_of_the_last_release(
    deployment: Deployment, refused: FinishedRun
) -> None:
    assert (refused.state, refused.states()[NOTICE_TASK]) == ("success", "success")
    notice = notices(deployment.told, refused)["refused"]
    assert "2 gates not passed" in notice.headline and "(min_accuracy)" in notice.reasons[0].text
    assert notice.last_release and notice.last_release.size_bytes
    for figures in (notice.model, notice.last_release):
        assert figures.accuracy and figures.accuracy > 0.97 and figures.latency_ms
    assert notice.model.size_bytes == facts_of(refused.result("Trainer.mnist_lite")).model_bytes
    assert notice.report_url and notice.report_url.startswith(f"{deployment.airflow.url}/dags/told/runs/")
    assert f"told refused: {notice.headline}" in [letter["Subject"] for letter in deployment.told.mailbox.mails]


def test_refused_data_is_told_as_a_failure_and_the_run_stays_failed(
    deployment: Deployment, failed: FinishedRun
) -> None:
    assert (failed.state, failed.states()[NOTICE_TASK]) == ("failed", "success")
    notice = notices(deployment.told, failed)["failed"]
    [reason] = notice.reasons
    assert reason.text == f"DataGate: {failed.result('DataGate').reason}" and "(max_anomalies)" in reason.text
    assert notice.report_url and notice.report_url.startswith(f"{deployment.airflow.url}/dags/told/runs/")
    folder = f"{deployment.airflow.url}/nightlite/dags/{TOLD}/runs/{quote(failed.run_id, safe='')}"
    page = deployment.rest.http.get(f"{folder}/report.html").raise_for_status()
    assert "Refused by 1 of" in page.text and "max_anomalies" in page.text and failed.run_id in page.text
    assert "image_floats" in deployment.rest.http.get(f"{folder}/statistics.html").raise_for_status().text


def waited_for(told: Told, run: FinishedRun, event: str) -> Notice:
    """Return a notice that something else than the run's own last task sends."""
    notice: Notice = wait_until(f"a notice that it is {event}", lambda: notices(told, run).get(event), seconds=300)
    return notice


def test_a_run_past_its_deadline_is_told_by_the_triggerer(deployment: Deployment, refused: FinishedRun) -> None:
    assert "not finished by" in waited_for(deployment.told, refused, "late").headline


def test_a_run_that_airflow_ends_is_told_by_the_dag_processor(deployment: Deployment, timed: FinishedRun) -> None:
    assert (timed.state, set(timed.states().values())) == ("failed", {"skipped"})
    assert waited_for(deployment.told, timed, "failed").headline == "ended: the run took longer than it may"


def test_nodes_are_counted_by_airflows_own_statsd_client(deployment: Deployment, failed: FinishedRun) -> None:
    metrics = deployment.told.metrics
    names = {metric.partition(":")[0] for metric in metrics}
    assert "airflow.nightlite.DataGate.failed:1|c" in metrics and "airflow.nightlite.refused:1|c" in metrics
    assert {f"airflow.nightlite.{name}" for name in ("Evaluator__mnist.accuracy", "Transform.cached")} <= names


def test_no_secret_is_in_a_log_the_database_or_an_answer(
    deployment: Deployment, refused: FinishedRun, failed: FinishedRun, timed: FinishedRun
) -> None:
    secrets = [secret.encode() for secret in (HOOK_SECRET, HOOK_PATH, MAIL_PASSWORD)]
    files = [path for path in deployment.airflow.home.rglob("*") if path.is_file()]
    assert any(path.name == "airflow.db" for path in files) and any(NOTICE_TASK in str(path) for path in files)
    found = []
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # Airflow goes on making and removing
            content = path.read_bytes()
            found += [path for secret in secrets if secret in content]
    assert found == []
    assert any("webhook: notified of" in line for line in deployment.log(refused, NOTICE_TASK, TOLD))
    for path in ("details", "tasks", f"dagRuns/{refused.run_id}/taskInstances", f"dagRuns/{refused.run_id}"):
        answer = deployment.rest.http.get(f"dags/{TOLD}/{path}").raise_for_status()
        assert not any(secret in answer.content for secret in secrets)
