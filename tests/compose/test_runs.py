"""Runs in containers: from empty volumes to a pushed model, kept over a restart, finished over a killed scheduler."""

import re
from urllib.parse import quote, unquote

import httpx

from models.penguins.on_device import MODEL as PENGUINS
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.results.run_summary import summarize
from tests.compose.deployment import ANY_MODEL, Deployment, Run, docker, wait_for

APPROVAL = "Approval.mnist_lite"  # a task, but no node of the pipeline
CHANGED = "Record has changed since last read"  # MariaDB's refusal, in the log of a node that needs a second try for it


def test_from_empty_volumes_to_a_blessed_and_pushed_model(first_run: str, deployment: Deployment) -> None:
    with deployment.login("viewer") as rest:
        run = Run(rest, first_run)
        nodes = [task.task_id for task in rest.tasks("mnist_tflite", first_run) if task.task_id != APPROVAL]
        summary = summarize({node: run.result(node) for node in nodes})
        log = rest.log_lines("mnist_tflite", first_run, run.task("Evaluator.mnist_lite"))
    assert summary.blessed is True
    assert (summary.tflite.accuracy or 0) >= 0.97
    assert any(path.startswith(summary.pushed or "?") for path in deployment.pushed())
    assert any("Evaluator.mnist_lite succeeded" in line for line in log), log
    assert deployment.still_running() == []


def test_the_second_model_has_its_own_first_release_by_a_run_of_the_same_name(
    first_run: str, deployment: Deployment
) -> None:
    show = ("nightlite", "models", "show", "--model=penguins", "--json")
    listed = docker("exec", deployment.container("api-server"), *show)
    manifest = Manifest.model_validate_json(listed)
    assert (manifest.version, manifest.span, manifest.run_id) == (1, 1, first_run)
    with deployment.login("viewer") as rest:
        run = Run(rest, first_run, PENGUINS.pipeline_name)
        trained = run.result(PENGUINS.trainer).outputs["model"]
        released = run.result(PENGUINS.pusher)
    assert released.state == "succeeded" and trained
    assert all(f"/{PENGUINS.name}/artifacts/" in output.uri for output in trained)


def test_down_and_up_keep_the_history_and_the_models(first_run: str, deployment: Deployment) -> None:
    before = deployment.pushed()
    deployment.down()
    assert deployment.containers() == []
    deployment.up()
    assert deployment.pushed() == before
    init = deployment.compose("logs", "init")
    assert "nothing to migrate" in init and "nothing to ingest" in init and "made the user" not in init
    with deployment.login("operator") as rest:
        assert rest.run("mnist_tflite", first_run).state == "success"
        again = Run.trigger(rest)
        assert again.finished() == "success"
        assert again.result("Trainer.mnist").state == "cached"


def test_the_report_opens_for_who_may_see_the_run_and_for_no_one_else(first_run: str, deployment: Deployment) -> None:
    url = f"{deployment.url}/nightlite/dags/mnist_tflite/runs/{quote(first_run, safe='')}/report.html"
    assert httpx.get(url, timeout=60).status_code == 401
    with deployment.login("viewer") as rest:
        page = rest.http.get(url)
    assert page.status_code == 200
    assert first_run in page.text and "min_class_accuracy" in page.text


def test_make_compose_demo_says_the_verdict(second_run: str, deployment: Deployment) -> None:
    assert "Pusher.mnist_lite: skipped" in second_run
    assert "nothing new: release 1 is this very file already" in second_run
    assert "Blessed: every gate was passed" in second_run
    for what in ("This run:  ", "Its report: "):
        assert f"{what}http://localhost:{deployment.port}/dags/mnist_tflite/runs/" in second_run
    assert "//api-server" not in second_run


def test_no_node_trips_over_what_another_has_changed(first_run: str, second_run: str, deployment: Deployment) -> None:
    assert deployment.mlmd("SELECT @@innodb_snapshot_isolation") == ["0"]
    [second] = set(re.findall(r"This run: .*/runs/([^/\s]+)", second_run))
    with deployment.login("viewer") as rest:
        logs = {
            (task.task_id, number): rest.log_lines(
                "mnist_tflite", run_id, task.model_copy(update={"try_number": number})
            )
            for run_id in (first_run, unquote(second))
            for task in rest.tasks("mnist_tflite", run_id)
            for number in range(1, task.try_number + 1)
        }
    # Something else may make one necessary.
    assert {which: log for which, log in logs.items() if any(CHANGED in line for line in log)} == {}
    assert all(logs[node, 1] for node in ("Evaluator.mnist", "Evaluator.mnist_lite"))


def test_a_run_ends_well_though_its_scheduler_was_killed_in_it(first_run: str, deployment: Deployment) -> None:
    with deployment.login("operator") as rest:
        run = Run.trigger(rest, seed=2, **ANY_MODEL)
        run.running("Trainer.mnist")
        wait_for("the running node", deployment.still_running)
        docker("kill", "--signal", "KILL", deployment.container("scheduler"))
        assert deployment.still_running(), "the node was over before its scheduler was killed"
        deployment.compose("up", "-d", "--no-recreate", "scheduler")
        assert run.finished() == "success", rest.tasks("mnist_tflite", run.run_id)
        assert run.result("Pusher.mnist_lite").pushed is True
    assert deployment.still_running() == []
