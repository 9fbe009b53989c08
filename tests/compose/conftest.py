"""A real Docker engine, the image, and one deployment that all these tests share, from empty volumes to its removal."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.penguins.on_device import MODEL as PENGUINS
from nightlite.paths import PROJECT
from tests.compose.deployment import OURS, PROJECT_PREFIX, REVISION, Deployment, Run, peak_memory, remove_ended
from tests.names import PIPELINE_NAME
from tests.real_airflow import free_port

GIB = 1024**3
ENGINE = "NIGHTLITE_TEST_DOCKER_ENGINE"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(3000))  # the first one builds the image


def _answers() -> bool:
    if not shutil.which("docker"):
        return False
    checks = (["docker", "info"], ["docker", "compose", "version"])
    return all(subprocess.run(check, capture_output=True, check=False).returncode == 0 for check in checks)


def _make_engine() -> None:
    script = os.environ.get(ENGINE)
    if not script:
        pytest.skip(f"NOT TESTED: the containers. No Docker engine with Compose answers, and {ENGINE} names no script")
    subprocess.run(["bash", script], check=True, stdin=subprocess.DEVNULL)
    assert _answers(), f"{script} ended well, yet no engine answers"


@pytest.fixture(scope="session")
def engine() -> None:
    """Return a Docker engine with Compose: a running one, or one that NIGHTLITE_TEST_DOCKER_ENGINE's script makes."""
    with Path(tempfile.gettempdir(), "nightlite-docker-engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests/wheel runs at the same time
        if not _answers():
            _make_engine()
        remove_ended()


@pytest.fixture(scope="session")
def first_build(engine: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, str]:
    """Return the deployment, nothing of it started, and the log of its image's build."""
    folder = tmp_path_factory.mktemp("compose")
    port = free_port()
    env_file = folder / "env"
    # Once a year: but for a new deployment's first run, no run comes between a test and its own.
    schedules = [f'NIGHTLITE_{name}_SCHEDULE="0 0 1 1 *"' for name in ("MNIST", "PENGUINS")]
    (folder / "settings.env").write_text("\n".join((*schedules, "NIGHTLITE_MNIST_DATASET=digits", "")))
    # In place of a developer's own settings.env.
    files = f"!override [docker/containers.env, {folder / 'settings.env'}]"
    services = "".join(f"  {name}: {{env_file: {files}}}\n" for name in (*sorted(OURS), "worker"))
    (folder / "settings.yml").write_text(f"services:\n{services}")
    env_file.write_text(f"NIGHTLITE_PORT={port}\nCOMPOSE_FILE=docker-compose.yml:{folder / 'settings.yml'}\n")
    subprocess.run([sys.executable, PROJECT / "docker" / "make_env.py", env_file], check=True)
    deployment = Deployment(f"{PROJECT_PREFIX}{os.getpid()}", env_file, "nightlite:test", port)
    return deployment, deployment.compose("--progress", "plain", "build", "init", settings={"REVISION": REVISION})


@pytest.fixture(scope="session")
def image(first_build: tuple[Deployment, str]) -> str:
    return first_build[0].image


@pytest.fixture(scope="session")
def whole(first_build: tuple[Deployment, str]) -> Iterator[Deployment]:
    deployment, _ = first_build
    try:
        yield deployment
    finally:
        deployment.down("-v", "--remove-orphans")


@pytest.fixture(scope="session")
def first_run(whole: Deployment) -> str:
    """Return the id of the run that `up` of empty volumes leads to, and no one has asked for; within its memory."""
    whole.up()
    with whole.login("operator") as rest, peak_memory(whole.containers()) as looks:
        # Both models' at once.
        run, others = Run.first(rest), Run.first(rest, PENGUINS.pipeline_name)
        assert run.finished() == "success", rest.tasks(PIPELINE_NAME, run.run_id)
        assert others.finished() == "success", rest.tasks(others.dag_id, others.run_id)
    print(f"\npeak memory of the whole stack during a run: {max(looks) / GIB:.2f} GiB, in {len(looks)} looks")
    assert max(looks) < 6 * GIB
    return run.run_id


@pytest.fixture(scope="session")
def second_run(whole: Deployment, first_run: str) -> str:
    """Return what `make compose-demo` says of the run after the first: before any other test has released a model.

    A test asserts on it; whatever it says, the others have their deployment.
    """
    demo = ("run", "--rm", "-T", "--no-deps", "init", "python", "-m", "nightlite.deployment.containers.demo")
    return whole.compose(*demo, check=False)


@pytest.fixture
def deployment(whole: Deployment, second_run: str) -> Deployment:
    """Return the deployment, up and healthy with its default executor, whatever the test before did to it."""
    # Docker is asked, not Compose, whose `up` runs `init` again each time: six seconds before each of twenty tests.
    if unwell := whole.unwell():
        if "worker" in unwell:
            whole.down()
        whole.up()
    return whole
