"""Another pipeline under the same Airflow: Importer, Resolver, a false Cond, a failing node, a killed one."""

from tests.end_to_end.conftest import Deployment
from tests.waiting import wait_until, wait_until_gone


def test_a_false_condition_ends_skipped_and_the_rest_green(deployment: Deployment) -> None:
    run = deployment.run("odd", number=3)
    states = run.states()
    assert run.state == "success"
    assert states.pop("Guarded") == "skipped"
    assert set(states.values()) == {"success"}, states
    assert run.result("Resolver").outputs["model"] == run.result("Importer").outputs["result"]


def test_run_parameters_of_every_type_arrive_and_are_never_templates(deployment: Deployment) -> None:
    word = "{{ params }} $(touch x) ; 'ü"
    run = deployment.run("odd", number=60, ratio=2, word=word)
    assert run.states()["Guarded"] == "success"
    assert any(f"echo 60 2.0 {word!r}" in line for line in deployment.log(run, "Echo", "odd"))


def test_a_failing_node_fails_with_its_own_words_and_what_follows_does_not_run(deployment: Deployment) -> None:
    run = deployment.run("odd", mood="fail")
    assert run.state == "failed"
    assert (run.states()["Moody"], run.states()["After"]) == ("failed", "upstream_failed")
    log = deployment.log(run, "Moody", "odd")
    assert "ValueError: the mood was\\bad" in log[-1]
    assert not any("launcher.py" in line for line in log)


def test_a_task_that_is_marked_failed_ends_its_node(deployment: Deployment) -> None:
    run_id = deployment.rest.trigger("odd", {"mood": "sleep", "number": 5}).dag_run_id

    def asleep() -> list[str]:
        [task] = [task for task in deployment.rest.tasks("odd", run_id) if task.task_id == "Moody"]
        lines = deployment.rest.log_lines("odd", run_id, task) if task.state == "running" else []
        return [line for line in lines if line.startswith("asleep as")]

    line = wait_until("a node asleep", asleep)[-1]
    path = f"dags/odd/dagRuns/{run_id}/taskInstances/Moody"
    assert deployment.rest.http.patch(path, json={"new_state": "failed"}).is_success
    wait_until_gone(int(line.split()[-1]))


def test_a_pipeline_twice_in_someone_elses_dag_is_two_runs(deployment: Deployment) -> None:
    run = deployment.run("twice", times=61)
    assert run.state == "success", run.states()
    for group in ("first", "second"):
        assert run.result(f"{group}.Echo").run_id == f"{run.run_id}@twice@{group}"
        log = deployment.log(run, f"{group}.Echo", "twice")
        assert any(f"echo 61 0.5 {group!r}" in line for line in log), log
    # What the first has written, the second finds in the cache.
    assert run.result("second.Importer").state == "cached"
    echoes = [run.result(f"{group}.Echo").execution_id for group in ("first", "second")]
    assert len(set(echoes)) == 2
