"""The task before the Pusher: when it asks, what it asks, and what it records. The whole of it is in end_to_end."""

import json
import logging
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import settings
from nightlite.errors import SettingsError
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.in_airflow import approval as module
from nightlite.ondevice.in_airflow.approval import ModelApproval, approval_record
from nightlite.ondevice.releases.store import Releases
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.runner.node_result import NodeResult, OutputArtifact
from nightlite.settings import forget_settings
from tests.ondevice.releases.made_releases import DESCRIPTION, declared

AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
GATES = (
    Gate(name="g", node_id="E", subject="a|b", relation="<=", bound=3, value=0.0967293, unit="ms", passed=True),
    Gate(name="min_accuracy_change", node_id="E", subject="c", relation=">=", bound=-0.005, value=0.00278, passed=True),
    Gate(name="contract", node_id="E", subject="d", relation=">=", bound=1, value=1, passed=True),
)


class TaskInstance(dict):
    """XComs by task id, and who it is."""

    id, dag_id, run_id, map_index = "ti", "diamond", "r", -1

    def xcom_pull(self, task_ids):
        return self.get(task_ids)

    def xcom_push(self, key, value):
        assert key == "return_value"
        self["Approval"] = value


@pytest.fixture
def dag(compiled):
    gates = {"Push*": partial(ModelApproval, model=MODEL, response_timeout=timedelta(hours=1))}
    return AirflowDagRunner(AirflowPipelineConfig(tasks_before=gates)).run(compiled)


@pytest.fixture
def ask(dag, monkeypatch, caplog, tmp_path):
    """Execute the approval over these results; returns what was asked, or why it was skipped."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    monkeypatch.setattr(ModelApproval, "log", logging.getLogger("task"))
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    caplog.set_level(logging.INFO)
    forget_settings()
    sent = []
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **asked: sent.append(asked)
    )

    def execute(*results, approval="required", push="yes", least_app_version=0):
        task = dag.get_task("Approval")
        xcoms = TaskInstance({result.node_id: result.model_dump(mode="json") for result in results})
        try:
            task.execute(
                {
                    "params": {"approval": approval, "push": push, "least_app_version": least_app_version},
                    "run_id": "r",
                    "task": task,
                    "ti": xcoms,
                    "task_instance": xcoms,
                }
            )
        except TaskAwaitingInput as waiting:
            assert waiting.timeout == timedelta(hours=1)
            return sent[-1]
        except AirflowSkipException as skipped:
            assert approval_record({"task": dag.get_task("Pusher"), "ti": xcoms}) == ""
            return str(skipped)
        raise AssertionError("it succeeded, though no one was asked")

    yield execute
    forget_settings()


def trained(folder, content="new"):
    serving = folder / "model" / "Format-Serving"
    serving.mkdir(parents=True, exist_ok=True)
    (serving / "tflite").write_text(content)
    blessing = folder / "blessing"
    blessing.mkdir(exist_ok=True)
    Gates(gates=GATES).write(blessing)
    outputs = {"model": [OutputArtifact(id=1, type="Model", uri=str(folder / "model"))]}
    outputs["blessing"] = [OutputArtifact(id=2, type="InfraBlessing", uri=str(blessing))]
    return NodeResult(node_id="Trainer.lite", run_id="r", state="succeeded", outputs=outputs, blessed=True)


def release(folder, content, **said):
    """Release a file of the model's contract, or of another one."""
    file = folder / f"file {content}"
    file.write_text(content)
    description = DESCRIPTION.model_copy(update=declared(MODEL.app_contract) | said)
    Releases(settings().folders(MODEL.name).releases).push(file, description, who="Pusher")


def test_it_stands_between_the_pusher_and_all_before_it_and_only_where_the_config_says_so(dag, compiled):
    assert dag.get_task("Approval").upstream_task_ids == {"Trainer.lite", "Trainer.mnist"}
    assert dag.get_task("Pusher").upstream_task_ids == {"Trainer.lite", "Trainer.mnist", "Approval"}
    assert dag.get_task("Approval").task_group.group_id == "push"
    assert "Approval" not in AirflowDagRunner().run(compiled).task_ids
    with pytest.raises(SettingsError, match="tasks_before: expected a pattern .* Received: 'Pushr'"):
        AirflowDagRunner(AirflowPipelineConfig(tasks_before={"Pushr": ModelApproval})).run(compiled)


def test_where_no_one_is_asked_it_is_skipped_and_says_why(ask, tmp_path):
    assert "this run asks for no approval" in ask(trained(tmp_path), approval="none")
    refused = NodeResult(
        node_id="Trainer.mnist", run_id="r", state="succeeded", blessed=False, facts={"refusals": ["bad: 3"]}
    )
    assert "nothing to approve: the model is not blessed; bad: 3" in ask(trained(tmp_path), refused)
    release(tmp_path, "new")
    assert "nothing to approve: nothing new: release 1 is this very file already" in ask(trained(tmp_path))


def test_its_skip_does_not_skip_the_pusher_but_another_gates_does(dag, compiled):
    assert dag.get_task("Pusher").trigger_rule == TriggerRule.NONE_FAILED
    assert dag.get_task("Approval").trigger_rule == TriggerRule.ALL_SUCCESS
    config = AirflowPipelineConfig(
        tasks_before={"Push*": lambda before, **taken: EmptyOperator(task_id="gate", **taken)}
    )
    assert AirflowDagRunner(config).run(compiled).get_task("Pusher").trigger_rule == TriggerRule.ALL_SUCCESS


def test_where_it_never_ran_the_pusher_is_skipped_too(dag):
    with pytest.raises(AirflowSkipException, match="Approval never ran"):
        approval_record({"task": dag.get_task("Pusher"), "ti": TaskInstance()})


def test_it_asks_no_one_about_what_is_no_better_on_the_same_data(ask, tmp_path):
    tensor = {"name": "t", "dtype": "float32", "shape": [1, 2]}
    measurements = {
        "code": "c",
        "data": "d",
        "quantization": "none",
        "contract": {"inputs": [tensor], "output": tensor},
    }
    releases = Releases(settings().folders(MODEL.name).releases)
    release(tmp_path, "old", measurements=measurements)
    against = {"sha256": releases.latest().manifest.sha256, "won": 7, "lost": 4, "n": 1000, "p": 0.55}
    candidate = trained(tmp_path)
    (tmp_path / "blessing" / "measurements.json").write_text(json.dumps(measurements | {"against_baseline": against}))
    why = "nothing to approve: no detectable difference from release 1 on the same data (7 won, 4 lost of 1,000)"
    assert why in ask(candidate)
    assert ask(candidate, push="even if no better")["options"] == ["Approve", "Reject"]


def test_it_asks_no_one_about_another_contract_unless_the_run_says_so(ask, tmp_path):
    release(tmp_path, "old", labels=tuple("987654321x"), least_app_version=4)
    said = ask(trained(tmp_path))
    assert "nothing to approve: refused: first version of your app for a contract other than release 1's" in said
    assert "output: labels [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] instead of [9, 8, 7, 6, 5, 4, 3, 2, 1, x]" in said
    assert said.endswith(": 0, expected >= 5 (least_app_version)")
    assert ": 4, expected >= 5" in ask(trained(tmp_path), least_app_version=4)
    assert ask(trained(tmp_path), least_app_version=5)["options"] == ["Approve", "Reject"]


def test_the_question_says_with_which_share_the_release_begins(ask, tmp_path, monkeypatch):
    release(tmp_path, "old")
    assert "Once approved" not in ask(trained(tmp_path))["body"]
    monkeypatch.setenv(f"NIGHTLITE_{MODEL.name.upper()}_ROLLOUT", "10,50")
    said = "Once approved, it is pushed, to 10 % of the phones on stable. No further step asks again.\n\n["
    assert ask(trained(tmp_path))["body"].startswith(said)


def test_it_asks_with_the_gates_the_last_release_and_the_reports_address(ask, tmp_path):
    assert "(there is no release yet)" in ask(trained(tmp_path))["subject"]
    release(tmp_path, "old")
    asked = ask(trained(tmp_path))
    assert "(release 1: 99.00 %, 0.0 KiB)" in asked["subject"]
    assert "/dags/diamond/runs/r/plugin/model-report)" in asked["body"]
    assert "[Try this model in the browser](" in asked["body"]
    assert "/nightlite/dags/diamond/runs/r/try)" in asked["body"]
    assert "| a\\|b | E | 0.0967 ms | <= 3 ms |" in asked["body"]
    assert "| c | E | 0.28 % | >= -0.50 % |" in asked["body"]
    assert "| d | E | kept | kept |" in asked["body"]
    assert (asked["options"], asked["defaults"]) == (["Approve", "Reject"], ["Reject"])


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"chosen_options": ["Approve"], "responded_by_user": {"id": "1", "name": "ann"}},
            {"decision": "approved", "user": "ann"},
        ),
        (
            {"chosen_options": ["Reject"], "responded_by_user": {"id": "1", "name": ""}},
            {"decision": "rejected", "user": "1"},
        ),
        (
            {"chosen_options": ["Reject"], "responded_by_user": None, "timedout": True},
            {"decision": "timed out", "user": None},
        ),
    ],
)
def test_the_answer_reaches_the_pusher_as_json(dag, monkeypatch, event, said):
    monkeypatch.setattr(ModelApproval, "log", logging.getLogger("task"))
    task = dag.get_task("Approval")
    xcoms = TaskInstance()
    with nullcontext() if said["decision"] == "approved" else pytest.raises(AirflowSkipException):
        xcoms["Approval"] = task.execute_complete({"ti": xcoms}, {"params_input": {}, "responded_at": AT, **event})
    recorded = {**said, "at": "2026-11-24T03:00:00Z"}
    assert json.loads(approval_record({"task": dag.get_task("Pusher"), "ti": xcoms})) == recorded


def test_without_an_approval_the_record_is_empty(compiled):
    without = AirflowDagRunner().run(compiled).get_task("Pusher")
    assert approval_record({"task": without, "ti": TaskInstance()}) == ""


def test_nothing_in_a_question_is_a_template():
    assert list(module.ModelApproval.template_fields) == []


def test_a_regression_is_asked_about_by_its_mean_error_in_the_unit_of_its_label(tmp_path):
    facts = {"metrics": {"mean_absolute_error": 42.1234}, "unit": "mg/dl"}
    evaluator = NodeResult(node_id="Evaluator.glucose_lite", run_id="r", state="succeeded", facts=facts)
    file = tmp_path / "file"
    file.write_text("old")
    described = DESCRIPTION.model_copy(update={"metrics": {"mean_absolute_error": 50.0}, "labels": (), "unit": "mg/dl"})
    Releases(tmp_path / "releases").push(file, described, who="Pusher")
    released = Releases(tmp_path / "releases").latest()
    subject, body = module.question({evaluator.node_id: evaluator}, released, "http://report", "http://try")
    assert subject == "Push MAE 42.12 mg/dl? (release 1: MAE 50 mg/dl, 0.0 KiB)"
    assert "| mean error | 42.12 mg/dl | 50 mg/dl |" in body and "accuracy" not in body
