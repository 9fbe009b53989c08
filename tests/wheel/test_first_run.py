"""A team's first run of its own TFX pipeline by the wheel alone, as docs/runner.md says: to a finished DAG run."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightlite.paths import PROJECT
from tests.compose.conftest import ENGINE, engine
from tests.waiting import wait_until
from tests.wheel.conftest import PlainAirflow

__all__ = ["engine"]

EXAMPLE = PROJECT / "examples" / "runner"
PUBLIC = "apache/airflow:3.3.2-python3.11"
BUILT = "nightlite-runner-example:test"
NODES = {"CsvExampleGen", "StatisticsGen", "SchemaGen", "CountColumns"}
pytestmark = pytest.mark.timeout(1800)  # the packages of TFX are 1.5 GB, and the first node imports them uncompiled


def docker(*arguments: str | Path) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout


@pytest.fixture
def container(engine: None, wheel: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Yield a caller of commands in a container of the example's ten-line Dockerfile, with a whole Airflow in it."""
    lines = (EXAMPLE / "Dockerfile").read_text().splitlines()
    assert len(lines) == 10 and lines[0] == f"FROM {PUBLIC}"
    if subprocess.run(["docker", "image", "inspect", PUBLIC], capture_output=True, check=False).returncode:
        subprocess.run(["bash", Path(__file__).with_name("airflow_image.sh"), PUBLIC], check=True)
    context = tmp_path / "context"
    shutil.copytree(EXAMPLE, context, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(wheel, context)
    docker("build", "--quiet", "--tag", BUILT, context)
    name = f"nightlite-runner-example-{os.getpid()}"
    variables = ("AIRFLOW__CORE__LOAD_EXAMPLES=False", "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False")
    environment = [word for variable in variables for word in ("--env", variable)]
    docker("run", "--detach", "--name", name, *environment, BUILT, "airflow", "standalone")
    try:
        yield lambda *command: docker("exec", name, *command)
    finally:
        print(docker("logs", "--tail", "200", name))
        docker("rm", "--force", "--volumes", name)
        docker("rmi", BUILT)


def test_ten_lines_on_debian_12_make_an_image_that_runs_a_teams_pipeline(container: Callable[..., str]) -> None:
    assert "VERSION_CODENAME=bookworm" in container("cat", "/etc/os-release")
    # Fails until the database is made.
    wait_until("the DAG", lambda: "orders" in container("sh", "-c", "airflow dags list || true"), seconds=300)
    container("airflow", "dags", "trigger", "orders", "--run-id", "first")

    def ended() -> str:
        runs = json.loads(container("airflow", "dags", "list-runs", "orders", "--output", "json").splitlines()[-1])
        [state] = [run["state"] for run in runs if run["run_id"] == "first"]
        return state if state in ("success", "failed") else ""

    assert wait_until("the run", ended, seconds=900) == "success"
    states = json.loads(
        container("airflow", "tasks", "states-for-dag-run", "orders", "first", "--output", "json").splitlines()[-1]
    )
    assert {state["task_id"]: state["state"] for state in states} == dict.fromkeys(NODES, "success")


@pytest.mark.skipif(ENGINE in os.environ, reason="a container does the same, above")
def test_a_plain_environment_runs_a_teams_pipeline(airflow: PlainAirflow, tmp_path: Path) -> None:
    home, team = tmp_path / "airflow", tmp_path / "team"
    root = home / "nightlite" / "var" / "pipelines" / "orders"

    def run(*command: str | Path) -> list[str]:
        return airflow.run(*command, AIRFLOW_HOME=str(home)).splitlines()

    home.mkdir()
    shutil.copytree(EXAMPLE, team)
    shutil.copy(airflow.folder / "empty.db", home / "airflow.db")
    python = str(home / "nightlite" / "tfx-env" / "bin" / "python")
    assert run("nightlite", "tfx-env")[-1] == python
    assert run("nightlite", "tfx-env") == [python]  # nothing is left to do
    values = ("--arg", f"data={team / 'data'}", "--arg", f"root={root}", "--output", "dags/orders.json")
    run("/usr/bin/env", "-C", team, airflow.bin / "nightlite", "compile", "orders.pipeline:create_pipeline", *values)
    shutil.copytree(team / "dags", home / "dags")
    run("airflow", "dags", "reserialize")
    run("airflow", "dags", "test", "orders")
    runs = json.loads(run("airflow", "dags", "list-runs", "orders", "--output", "json")[-1])
    assert [one["state"] for one in runs] == ["success"]
    assert {path.name for path in root.iterdir()} >= NODES - {"CountColumns"}
