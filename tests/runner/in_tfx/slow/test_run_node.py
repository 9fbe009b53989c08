"""run_node on a real TFX pipeline: outcomes, retries, cancellation; cold too where that could differ."""

import os
import signal

import pytest

from tests.run_nodes import Deployment, alive, until_asleep, wait_for


def test_run_parameters_of_each_type_reach_the_executor(deployment: Deployment) -> None:
    word = "{{ 7*7 }} $(id) 'ü\\"
    code, result, log = deployment.run("Echo", "types", "number=51", "ratio=2", f"word={word}")
    assert code == 0, log
    assert result.state == "succeeded"
    assert f"echo 51 2.0 {word!r}" in log
    assert log.splitlines()[-1] == f"Echo succeeded (execution {result.execution_id})"


def test_an_unchanged_node_is_answered_from_cache(deployment: Deployment) -> None:
    _, first, _ = deployment.run("Echo", "cache-1", "number=3")
    code, second, log = deployment.run("Echo", "cache-2", "number=3")
    assert (code, second.state) == (0, "cached")
    assert second.outputs == first.outputs
    assert "answered from cache" in log
    _, third, _ = deployment.run("Echo", "cache-3", "number=4")
    assert third.state == "succeeded"


def test_a_node_under_a_false_condition_is_skipped(deployment: Deployment) -> None:
    deployment.run("Echo", "cond-no", "number=3")
    code, result, _ = deployment.run("Guarded", "cond-no")
    assert (code, result.state, result.execution_id) == (99, "skipped", None)
    assert result.reason == "its condition is false"
    _, echoed, _ = deployment.run("Echo", "cond-yes", "number=60")
    _, guarded, _ = deployment.run("Guarded", "cond-yes")
    assert (guarded.state, guarded.inputs["text"]) == ("succeeded", echoed.outputs["text"])
    assert echoed.inputs == {}


def test_system_nodes_run(deployment: Deployment) -> None:
    code, imported, log = deployment.run("Importer", "system")
    assert code == 0, log
    code, resolved, log = deployment.run("Resolver", "system")
    assert code == 0, log
    assert resolved.outputs["model"] == imported.outputs["result"]


@pytest.mark.parametrize("runtime", ["warm", "cold"])
def test_a_failure_ends_with_the_executors_own_words_and_a_retry_is_a_new_execution(
    deployment: Deployment, runtime: str
) -> None:
    run_id = f"fails-{runtime}"
    process = deployment.start_moody(run_id, "fail", runtime=runtime)
    log = process.communicate(timeout=400)[0]
    assert (process.returncode, deployment.result("Moody", run_id).state) == (1, "failed")
    assert log.splitlines()[-1] == "Moody failed: ValueError: the mood was\\bad"
    assert "launcher.py" not in log
    assert "raise ValueError" in log
    code, retried, log = deployment.run("Moody", run_id)
    assert code == 0, log
    states = deployment.executions(run_id, "Moody")
    assert [state for _, state in states] == ["FAILED", "COMPLETE"]
    assert retried.execution_id == states[1][0]
    assert deployment.run("After", run_id)[1].state == "succeeded"


def test_a_node_that_already_succeeded_in_the_run_is_not_run_again(deployment: Deployment) -> None:
    _, first, _ = deployment.run("Echo", "again", "number=11")
    code, second, _ = deployment.run("Echo", "again", "number=11")
    assert code == 0
    assert second.execution_id == first.execution_id
    assert second.outputs == first.outputs
    assert second.reason == "it had already succeeded in this run"


def test_a_node_whose_upstream_has_not_run_is_refused(deployment: Deployment) -> None:
    code, result, log = deployment.run("Moody", "too-early")
    assert (code, result.state) == (1, "failed")
    assert "expected Echo to have succeeded in this run" in log


@pytest.mark.parametrize(
    ("node", "params", "words"),
    [
        ("Nobody", (), "Expected one of the nodes"),
        ("Echo", ("number=three",), "run parameter 'number': expected int. Received: 'three'"),
        ("Echo", ("number=true",), "run parameter 'number': expected int. Received: True"),
        ("Echo", ("nmber=3",), "Did you mean number? Received: nmber"),
        ("Echo", ("number",), "expected NAME=VALUE"),
    ],
)
def test_what_cannot_be_run_as_asked_is_refused_in_one_sentence(
    deployment: Deployment, node: str, params: tuple[str, ...], words: str
) -> None:
    process = deployment.start(node, "refused", *params)
    log, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    assert words in log
    assert "Traceback" not in log
    assert deployment.executions("refused", "Echo") == []


@pytest.mark.parametrize("runtime", ["warm", "cold"])
def test_sigterm_ends_the_node_and_all_that_it_started(deployment: Deployment, runtime: str) -> None:
    run_id = f"cancel-{runtime}"
    process = deployment.start_moody(run_id, "hog", runtime=runtime)
    pids = until_asleep(process, grandchildren=1)
    os.killpg(process.pid, signal.SIGTERM)
    wait_for(lambda: process.poll() is not None)
    if runtime == "cold":
        os.killpg(process.pid, signal.SIGKILL)  # the caller's part: what is left of the group that it made
    wait_for(lambda: not any(map(alive, pids)))
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGKILL)
    assert deployment.executions(run_id, "Moody")[-1][1] == "CANCELED"
    assert deployment.result("Moody", run_id).state == "cancelled"
    assert deployment.run("Moody", run_id)[1].state == "succeeded"


@pytest.mark.parametrize("runtime", ["warm", "cold"])
def test_a_child_killed_from_outside_says_so_and_leaves_nothing_running(deployment: Deployment, runtime: str) -> None:
    run_id = f"die-{runtime}"
    process = deployment.start_moody(run_id, "die", runtime=runtime)
    log = process.communicate(timeout=400)[0]
    assert process.returncode == 128 + signal.SIGKILL
    assert deployment.result("Moody", run_id).state == "failed"
    assert "its last word" in log.splitlines()
    assert "killed by SIGKILL: out of memory is the usual reason" in log
    assert deployment.executions(run_id, "Moody")[-1][1] == "FAILED"


def test_nothing_is_left_in_tmpdir(deployment: Deployment) -> None:
    deployment.run("Echo", "litter")
    assert deployment.run("Moody", "litter", "mood=litter")[1].state == "succeeded"
    assert list((deployment.folder / "var" / "tmp").iterdir()) == []
