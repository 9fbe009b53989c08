"""The CeleryExecutor with two workers: the work of one that is killed is done by the other."""

import subprocess

import pytest

from tests.compose.deployment import ANY_MODEL, CELERY, Deployment, Run, docker, wait_for

LONG = {"epochs": 60}  # five times the default: no one is too late to kill it


@pytest.fixture(scope="module")
def celery(whole: Deployment, second_run: str) -> Deployment:
    whole.down()
    whole.up("--scale", "worker=2", settings=CELERY)
    return whole


def test_a_run_ends_well_though_a_worker_was_killed_in_it(celery: Deployment) -> None:
    workers = celery.containers("worker")
    assert len(workers) == 2
    with celery.login("operator") as rest:
        run = Run.trigger(rest, seed=3, **LONG, **ANY_MODEL)
        # Docker names a container's host by the first twelve characters of the container's id.
        [killed] = [worker for worker in workers if worker[:12] == run.running("Trainer.mnist").hostname]
        # The worker may have to start its warm runtime first, which takes minutes where two do so on a busy host.
        wait_for("the running node", celery.still_running)
        docker("kill", "--signal", "KILL", killed)
        assert celery.still_running(), "the node was over before its worker was killed"
        assert run.finished() == "success", rest.tasks("mnist_tflite", run.run_id)
        assert run.task("Trainer.mnist").try_number >= 2
        assert run.result("Pusher.mnist_lite").pushed is True
    assert celery.still_running() == []


def test_the_queue_ends_well_when_it_is_told_to(celery: Deployment) -> None:
    queue = celery.container("redis")
    docker("stop", queue)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", queue).strip() == "0"  # 137: it was killed


@pytest.mark.parametrize(
    ("executor", "component"),
    [
        ("nightlite.deployment.airflow_fixes.local_executor.LocalExecutor", ["celery", "worker"]),
        ("CeleryExecutor", ["scheduler"]),
    ],
    ids=["profile without executor", "executor without profile"],
)
def test_one_without_the_other_is_one_sentence(image: str, executor: str, component: list[str]) -> None:
    start = ["docker", "run", "--rm", "--network", "none", "-e", f"AIRFLOW__CORE__EXECUTOR={executor}", image]
    said = subprocess.run([*start, "nightlite-component", *component], capture_output=True, text=True, timeout=300)
    assert said.returncode == 1
    assert "set COMPOSE_PROFILES=celery and NIGHTLITE_EXECUTOR=CeleryExecutor together" in said.stderr
