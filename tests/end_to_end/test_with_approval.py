"""Runs that a person must approve, over Airflow's REST API. It comes after test_mnist, which counts releases from 1."""

from collections.abc import Callable
from typing import Any

import pytest

from nightlite.deployment.local.airflow_config import USER
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report_files import OUTCOME_NODE
from nightlite.ondevice.results.node_facts import facts_of
from tests.end_to_end.conftest import HURRIED, Deployment, FinishedRun
from tests.names import PIPELINE_NAME
from tests.waiting import wait_until

APPROVAL, PUSHER = "Approval.mnist_lite", "Pusher.mnist_lite"
# The trained model as it is, in a file that no run before has made.
NEW_FILE = {"quantization": "dynamic", "approval": "required"}


def versions(deployment: Deployment) -> list[int]:
    return Releases(deployment.folders.releases).versions()


def question(deployment: Deployment, run_id: str) -> dict[str, Any]:
    """Wait until the run asks, and nothing else of it is going on."""

    def waiting() -> bool:
        states = {task.task_id: task.state for task in deployment.rest.tasks(PIPELINE_NAME, run_id)}
        after = {states.pop(PUSHER, "?"), states.pop(OUTCOME_NODE, "?")}
        asks = states.pop(APPROVAL, None) == "awaiting_input"
        return asks and (after, set(states.values())) == ({None}, {"success"})

    wait_until(f"a question of {run_id}", waiting)
    path = f"dags/{PIPELINE_NAME}/dagRuns/{run_id}/hitlDetails"
    [asked] = deployment.rest.http.get(path).raise_for_status().json()["hitl_details"]
    return dict(asked)


def answer(deployment: Deployment, run_id: str, option: str) -> None:
    path = f"dags/{PIPELINE_NAME}/dagRuns/{run_id}/taskInstances/{APPROVAL}/-1/hitlDetails"
    deployment.rest.http.patch(path, json={"chosen_options": [option]}).raise_for_status()


def clear(deployment: Deployment, run_id: str, task_id: str) -> None:
    """Clear a task and whatever comes after it."""
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "include_downstream": True}
    path = f"dags/{PIPELINE_NAME}/clearTaskInstances"
    deployment.rest.http.post(path, json={**body, "only_failed": False}).raise_for_status()


def note(deployment: Deployment, run_id: str, dag_id: str = PIPELINE_NAME) -> str | None:
    answer = deployment.rest.http.get(f"dags/{dag_id}/dagRuns/{run_id}").raise_for_status()
    return answer.json()["note"]


@pytest.fixture(scope="module")
def ask(deployment: Deployment) -> Callable[[], str]:
    return lambda: deployment.rest.trigger(PIPELINE_NAME, NEW_FILE).dag_run_id


def skipped(run: FinishedRun, *, kept_back: bool = True) -> str:
    """Return why a green run's Pusher was skipped; with it the approval and, of a model kept back, its mark."""
    states = run.states()
    release = {states.pop(APPROVAL), states.pop(PUSHER)}
    assert (run.state, release, set(states.values()) - {"skipped"}) == ("success", {"skipped"}, {"success"})
    assert [node for node, state in states.items() if state == "skipped"] == [OUTCOME_NODE] * kept_back
    return run.result(PUSHER).reason or ""


def test_without_an_answer_in_time_nothing_is_pushed(deployment: Deployment) -> None:
    before = versions(deployment)
    run = deployment.run(HURRIED, **NEW_FILE)
    assert skipped(run).startswith("not pushed: no one approved it until ")
    assert versions(deployment) == before
    assert note(deployment, run.run_id, HURRIED) == run.result(PUSHER).reason


def test_a_rejected_model_is_pushed_once_someone_who_is_asked_again_approves(
    deployment: Deployment, ask: Callable[[], str]
) -> None:
    before, run_id = versions(deployment), ask()
    asked = question(deployment, run_id)
    against = f"release {before[-1]}: " if before else "there is no release yet"
    assert asked["subject"].startswith("Push 9") and against in asked["subject"]
    assert "| size of the file | " in asked["body"] and f"/runs/{run_id.split(':')[0]}" in asked["body"]
    answer(deployment, run_id, "Reject")
    rejected = deployment.finished(PIPELINE_NAME, run_id)
    assert skipped(rejected).startswith(f"not pushed: rejected by {USER}, ")
    assert (versions(deployment), note(deployment, run_id)) == (before, rejected.result(PUSHER).reason)

    clear(deployment, run_id, APPROVAL)
    assert question(deployment, run_id)["response_received"] is False
    answer(deployment, run_id, "Approve")
    approved = deployment.finished(PIPELINE_NAME, run_id)
    assert set(approved.states().values()) == {"success"}
    [version] = set(versions(deployment)) - set(before)
    approval = Releases(deployment.folders.releases).release(version).manifest.approval
    assert approval and (approval.decision, approval.user) == ("approved", USER)
    assert (note(deployment, run_id) or "").startswith(f"released {version}: 9")

    clear(deployment, run_id, PUSHER)
    again = deployment.finished(PIPELINE_NAME, run_id)
    assert again.tasks[APPROVAL].try_number == approved.tasks[APPROVAL].try_number
    assert (again.states()[PUSHER], facts_of(again.result(PUSHER)).pushed_version) == ("success", str(version))
    assert versions(deployment) == [*before, version]

    # The same file again: there is nothing that anyone could approve.
    nothing_new = skipped(deployment.run(**NEW_FILE), kept_back=False)
    assert nothing_new == f"nothing new: release {version} is this very file already"


def test_a_refused_model_is_not_asked_about(deployment: Deployment) -> None:
    run = deployment.run(approval="required", max_size_kib=0)
    assert skipped(run) == "not pushed: the model is not blessed"
    assert any("nothing to approve: the model is not blessed" in line for line in deployment.log(run, APPROVAL))
    assert (note(deployment, run.run_id) or "").startswith("refused: EdgeValidator: size of the file")


def test_a_persons_note_stays(deployment: Deployment) -> None:
    body = {"logical_date": None, "conf": {}, "note": "trying something"}
    triggered = deployment.rest.http.post(f"dags/{PIPELINE_NAME}/dagRuns", json=body).raise_for_status().json()
    run_id = triggered["dag_run_id"]
    assert deployment.finished(PIPELINE_NAME, run_id).state == "success"
    assert note(deployment, run_id) == "trying something"
