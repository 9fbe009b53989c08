"""A newer image on the same volumes, and a backup put back into empty ones."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from nightlite.paths import PROJECT
from tests.compose.deployment import Deployment, Run, docker

OLDER = "3.2.2"


def script(deployment: Deployment, name: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run docker/NAME on this deployment, as a user runs it on his."""
    env = {
        **os.environ,
        "COMPOSE_PROJECT_NAME": deployment.project,
        "COMPOSE_ENV_FILES": str(deployment.env_file),
        "NIGHTLITE_IMAGE": deployment.image,
    }
    command = [PROJECT / "docker" / name, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def feed_state(deployment: Deployment) -> tuple[list[str], int]:
    """Return the sums of the feed's keys, and the sequence that phones are told."""
    show = "sha256sum /var/lib/nightlite/feed-keys/*; cat /var/lib/nightlite/feed/mnist/stable/latest.json"
    keys, _, document = deployment.compose("exec", "-T", "scheduler", "sh", "-c", show).partition("{")
    return keys.splitlines(), int(json.loads(f"{{{document}")["sequence"])


def test_a_newer_image_migrates_the_same_volumes_once(first_run: str, deployment: Deployment, tmp_path: Path) -> None:
    deployment.down()
    # As an older Airflow left it: the migrations since then are undone, for real.
    deployment.compose("up", "-d", "--wait", "postgres", "mariadb")
    downgrade = ("run", "--rm", "-T", "--no-deps", "init", "airflow", "db", "downgrade", "--to-version", OLDER, "--yes")
    deployment.compose(*downgrade)
    (tmp_path / "Dockerfile").write_text(f"FROM {deployment.image}\nLABEL newer=yes\n")
    docker("build", "-q", "-t", "nightlite:test-newer", str(tmp_path))
    newer = {"NIGHTLITE_IMAGE": "nightlite:test-newer"}

    deployment.up(settings=newer)
    assert "init: migrating the database" in (log := deployment.compose("logs", "init")), log
    assert "init: the database is migrated" in log
    with deployment.login("operator") as rest:
        assert rest.run("mnist_tflite", first_run).state == "success"
        again = Run.trigger(rest)
        assert again.finished() == "success"
        assert again.result("Trainer.mnist").state == "cached"

    log = deployment.compose("run", "--rm", "-T", "--no-deps", "init", settings=newer)
    assert "nothing to migrate" in log and "migrating the database" not in log


def test_no_migration_under_a_running_scheduler(first_run: str, deployment: Deployment) -> None:
    code = (
        "from nightlite.deployment.containers import initialize as i;"
        "i.is_migrated = lambda: False; i.STILL_ALIVE_SECONDS = 3; i.migrate()"
    )
    said = deployment.compose("run", "--rm", "-T", "--no-deps", "init", "python", "-c", code, check=False)
    assert "a scheduler of the version before it is running on it" in said


def test_a_newer_versions_database_is_refused_in_one_sentence(first_run: str, deployment: Deployment) -> None:
    query = "UPDATE alembic_version SET version_num = '{}' RETURNING version_num"
    psql = ("exec", "-T", "postgres", "psql", "-U", "airflow", "-tA", "-c")
    [now, *_] = deployment.compose(*psql, "SELECT version_num FROM alembic_version").split()
    deployment.compose("stop", "scheduler")
    try:
        deployment.compose(*psql, query.format("f00f00f00f00"))
        init = ("run", "--rm", "-T", "--no-deps", "init")
        said = deployment.compose(*init, check=False)
    finally:
        deployment.compose(*psql, query.format(now))
    assert "expected a database that this version or an older one made" in said
    assert "f00f00f00f00" in said and "Traceback" not in said


def test_a_backup_put_back_into_empty_volumes_is_everything(
    first_run: str, deployment: Deployment, tmp_path: Path
) -> None:
    models, executions = deployment.pushed(), deployment.mlmd("SELECT count(*) FROM Execution")
    deployment.compose("exec", "-T", "scheduler", "nightlite", "feed", "keys")
    deployment.compose("exec", "-T", "scheduler", "nightlite", "feed", "publish", "--model", "mnist")
    keys, sequence = feed_state(deployment)
    backup = tmp_path / "backup.tar"
    done = script(deployment, "backup.sh", backup)
    assert done.returncode == 0, done.stderr
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["backup.tar"]
    assert "there already" in script(deployment, "backup.sh", backup).stderr

    deployment.down("-v")
    done = script(deployment, "restore.sh", backup)
    assert done.returncode == 0, done.stderr
    deployment.up()
    restored, newer = feed_state(deployment)
    # Its DAG may have published again by now.
    assert restored == keys and newer >= sequence
    deployment.compose("exec", "-T", "scheduler", "rm", "-r", "/var/lib/nightlite/feed-keys")
    assert deployment.pushed() == models
    assert deployment.mlmd("SELECT count(*) FROM Execution") == executions
    with deployment.login("operator") as rest:
        assert rest.run("mnist_tflite", first_run).state == "success"
        log = rest.log_lines("mnist_tflite", first_run, Run(rest, first_run).task("Trainer.mnist"))
        assert any("Trainer.mnist succeeded" in line for line in log), log
        again = Run.trigger(rest)
        assert again.finished() == "success"
        assert again.result("Trainer.mnist").state == "cached"


def test_a_file_that_is_no_backup_changes_nothing(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "no.tar").write_text("no")
    done = script(deployment, "restore.sh", tmp_path / "no.tar")
    assert done.returncode == 1
    assert "Nothing was changed" in done.stderr
    with deployment.login("viewer") as rest:
        assert rest.dag("mnist_tflite")


@pytest.fixture(scope="module", autouse=True)
def remove_newer_image() -> object:
    yield
    subprocess.run(["docker", "image", "rm", "-f", "nightlite:test-newer"], capture_output=True, check=False)
