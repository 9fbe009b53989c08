"""docker/backup.sh and restore.sh with a docker that only writes down what it is told: what is left, however they end.

That a backup holds everything is proven with a real one, in tests/compose/test_upgrade.py.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Runs until it is told to end, and says so, where the test wants it to hang.
DOCKER = """#!/bin/sh
echo "$*" >>"$STUB/told"
case "$*" in
*"ps --services"*) echo scheduler ;;
*"$STUB_FAILS"*) echo "no: $STUB_FAILS" >&2; exit 1 ;;
*"$STUB_HANGS"*) echo hangs >"$STUB/hangs"; exec sleep 600 ;;
esac
"""


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    folder = tmp_path / "stub"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    os.mkfifo(folder / "hangs")
    return folder


def start(stub: Path, script: str, file: Path, fails: str = "never", hangs: str = "never") -> "subprocess.Popen[str]":
    """Start the script in a process group of its own, as a terminal does."""
    variables = {"STUB": str(stub), "STUB_FAILS": fails, "STUB_HANGS": hangs}
    env = os.environ | variables | {"PATH": f"{stub}:{os.environ['PATH']}"}
    command = ["sh", PROJECT / "docker" / script, file]
    return subprocess.Popen(
        command,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Behind `nohup` or in the background they are ignored, and a shell cannot trap what it has inherited so.
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGINT)],
    )


def told(stub: Path) -> list[str]:
    return (stub / "told").read_text().splitlines()


@pytest.mark.parametrize("sent", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_backup_that_is_ended_leaves_nothing_and_a_running_scheduler(
    stub: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    with start(stub, "backup.sh", tmp_path / "backup.tar", hangs="pg_dump") as script:
        (stub / "hangs").read_text()  # blocks until the dump is under way
        os.killpg(script.pid, sent)
        assert script.wait(60) == 128 + sent
    assert told(stub)[-1] == "compose --profile celery start scheduler"
    assert [path.name for path in tmp_path.iterdir()] == ["stub"]


def test_a_backup_that_fails_leaves_nothing_and_a_running_scheduler(stub: Path, tmp_path: Path) -> None:
    with start(stub, "backup.sh", tmp_path / "backup.tar", fails="pg_dump") as script:
        _, said = script.communicate(timeout=60)
    assert script.returncode == 1 and "no: pg_dump" in said
    assert told(stub)[-1] == "compose --profile celery start scheduler"
    assert [path.name for path in tmp_path.iterdir()] == ["stub"]


def test_a_scheduler_that_does_not_start_again_is_a_failure_that_is_told(stub: Path, tmp_path: Path) -> None:
    with start(stub, "backup.sh", tmp_path / "backup.tar", fails="start scheduler") as script:
        _, said = script.communicate(timeout=60)
    assert script.returncode == 1
    assert "no: start scheduler" in said and "the scheduler could not be started again: docker compose up -d" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "stub"]


def test_a_scheduler_that_does_not_stop_is_a_failure_that_is_told(stub: Path, tmp_path: Path) -> None:
    with start(stub, "backup.sh", tmp_path / "backup.tar", fails="stop scheduler") as script:
        _, said = script.communicate(timeout=60)
    assert script.returncode == 1 and "no: stop scheduler" in said
    assert not [line for line in told(stub) if "pg_dump" in line]


@pytest.fixture
def backup(stub: Path, tmp_path: Path) -> Path:
    """Return a whole file, but for what is in it."""
    for name in ("airflow.pgdump", "mlmd.sql"):
        (tmp_path / name).touch()
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "files.tar", "mlmd.sql"], check=True)
    parts = ("airflow.pgdump", "mlmd.sql", "files.tar")
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "backup.tar", *parts], check=True)
    return tmp_path / "backup.tar"


def test_a_restore_without_secrets_says_what_belongs_there_and_changes_nothing(stub: Path, backup: Path) -> None:
    with start(stub, "restore.sh", backup, fails="config -q") as script:
        _, said = script.communicate(timeout=60)
    assert script.returncode == 1
    assert "no: config -q" in said and "AIRFLOW_FERNET_KEY" in said and "Nothing was changed" in said
    assert told(stub) == ["compose config -q"]


@pytest.mark.parametrize("step", ["down", "up -d", "createdb", "pg_restore", "mariadb", "run --rm"])
def test_a_restore_that_fails_says_why(stub: Path, backup: Path, step: str) -> None:
    with start(stub, "restore.sh", backup, fails=step) as script:
        _, said = script.communicate(timeout=60)
    assert script.returncode == 1 and f"no: {step}" in said


def test_a_restore_whose_terminal_is_gone_leaves_no_secrets_behind(
    stub: Path, backup: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    before = sorted(path.name for path in tmp_path.iterdir())
    with start(stub, "restore.sh", backup, hangs="pg_restore") as script:
        (stub / "hangs").read_text()
        [unpacked] = tmp_path.glob("backup.tar.unpacked.*")
        assert unpacked.stat().st_mode & 0o777 == 0o700
        os.killpg(script.pid, signal.SIGHUP)
        assert script.wait(60) == 128 + signal.SIGHUP
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == before
