"""`nightlite doctor` and `nightlite config show`: each check with a broken case; each value with where it is from."""

import fcntl
import json
import os
import socket
import sqlite3
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from nightlite.deployment.client import rest
from nightlite.deployment.client.access import Access
from nightlite.deployment.installation import (
    airflow_checks,
    database_checks,
    doctor,
    feed_checks,
    host_checks,
    settings_files,
)
from nightlite.deployment.installation.check import State
from nightlite.deployment.installation.commands import app
from nightlite.deployment.installation.shown_settings import MASK, Shown, shown_settings
from nightlite.deployment.settings import Settings
from nightlite.settings import forget_settings


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Return the settings of an installation that has nothing yet."""
    for name in [name for name in os.environ if name.startswith(("NIGHTLITE_", "AIRFLOW__DATABASE"))]:
        monkeypatch.delenv(name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("NIGHTLITE_PORT", str(port))
    forget_settings()
    yield Settings()
    forget_settings()


def test_an_installation_without_an_airflow_has_no_failure_and_stays_as_it_is(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    found = {item["name"]: item for item in json.loads(done.output)}
    expected = {"settings", "disk", "Python", "TFX environment", "clock", "port", "Airflow", "locks", "feed"}
    assert expected | {"Airflow's database", "MLMD's database", "warm server"} <= found.keys()
    assert found["Airflow"]["state"] == "warning" and "never started" in found["Airflow"]["found"]
    assert done.exit_code == (1 if any(item["state"] == "failed" for item in found.values()) else 0)
    assert all(item["to_do"] for item in found.values() if item["state"] != "ok")
    assert list(tmp_path.iterdir()) == []


def test_it_has_a_line_a_check_and_exits_1_for_a_failed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_TFX_PYTHON", "/no/such/python")
    forget_settings()
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "failed  TFX environment: none at /no/such/python\n        → run 'make setup'" in done.output


def test_settings_that_cannot_be_read_are_the_only_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_PORT", "many")
    forget_settings()
    [found] = doctor.all_checks()
    assert (found.name, found.state) == ("settings", State.failed) and "NIGHTLITE_PORT: expected" in found.found


def test_a_misspelt_variable_fails_and_a_check_that_breaks_stops_no_other(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLITE_" + "PROT", "1")

    def broken(_: Path) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(host_checks, "disk", broken)
    found = {item.name: item for item in doctor.checks(config)}
    assert found["settings"].state is State.failed and "NIGHTLITE_PORT" in found["settings"].found
    assert "ZeroDivisionError: odd" in found["disk"].found and "feed" in found


@pytest.mark.parametrize(("free", "state"), [(5e8, State.failed), (4e9, State.warning), (9e9, State.ok)])
def test_disk(free: float, state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(psutil, "disk_usage", lambda _: namedtuple("Usage", "free")(free))
    assert host_checks.disk(tmp_path / "not" / "there").state is state


def test_python_and_its_tfx_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = {item.name: item for item in host_checks.pythons(Path(sys.executable))}
    assert good["TFX environment"].state is State.ok and "glibc" in good
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    assert [item.state for item in host_checks.pythons(broken)][1] is State.failed
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert next(iter(host_checks.pythons(broken))).state is State.failed


def test_glibc() -> None:
    assert host_checks.glibc("glibc", "2.36").state is State.failed
    assert host_checks.glibc("glibc", "2.38").state is host_checks.glibc().state is State.ok


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert host_checks.clock(tmp_path).state is State.ok
    back = host_checks.clock(tmp_path, datetime.now(UTC) - timedelta(hours=1))
    assert back.state is State.failed and "set this host's clock" in back.to_do


def make_database(file: Path, table: str, column: str, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(file) as made:
        made.execute(f"CREATE TABLE {table} ({column})")
        made.execute(f"INSERT INTO {table} VALUES (?)", (value,))
    made.close()


def test_airflows_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "airflow.db"
    assert database_checks.airflow_database(tmp_path).state is State.warning and not file.exists()
    make_database(file, "alembic_version", "version_num", "a1b2")
    good = database_checks.airflow_database(tmp_path)
    assert good.state is State.ok and "migration a1b2" in good.found
    file.write_bytes(b"no database at all, but a text of some length" * 40)
    assert database_checks.airflow_database(tmp_path).state is State.failed
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg2://me:pass-word@127.0.0.1:{closed.getsockname()[1]}/airflow"
        monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)
        gone = database_checks.airflow_database(tmp_path)
    assert gone.state is State.failed and "pass-word" not in gone.found


def test_mlmds_database(config: Settings) -> None:
    file = config.var_dir / "metadata" / "mlmd.sqlite"
    assert database_checks.mlmd_database(config.mlmd_url).state is State.warning
    make_database(file, "MLMDEnv", "schema_version", 10)
    assert "schema 10" in database_checks.mlmd_database(config.mlmd_url).found
    with sqlite3.connect(file) as emptied:
        emptied.execute("DELETE FROM MLMDEnv")
    assert database_checks.mlmd_database(config.mlmd_url).state is State.failed
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"mysql://me:word@127.0.0.1:{server.getsockname()[1]}/mlmd"
        assert database_checks.mlmd_database(url).state is State.ok


def test_a_port_of_another_program(config: Settings) -> None:
    assert airflow_checks.port(config, None).state is State.ok
    with socket.socket() as other:
        other.bind(("127.0.0.1", config.port))
        other.listen()
        taken = airflow_checks.port(config, None)
        assert taken.state is State.failed and f"(pid {os.getpid()})" in taken.found
        (config.var_dir / "airflow").mkdir()
        stack = {"port": config.port, "components": [{"pid": os.getpid()}]}
        (config.var_dir / "airflow" / "stack.json").write_text(json.dumps(stack))
        assert airflow_checks.port(config, None).state is State.ok


def test_an_airflow_that_is_down_ill_or_has_a_broken_dag(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_URL", "http://airflow.example.com")
    monkeypatch.setenv("NIGHTLITE_TOKEN", "x")

    def down(*_: object, **__: object) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx, "get", down)
    assert [item.state for item in airflow_checks.airflow(config)] == [State.warning, State.warning]
    health = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor", "triggerer")}
    answer = httpx.Response(200, json=health | {"scheduler": {"status": "unhealthy"}})
    answer.request = httpx.Request("GET", "http://airflow.example.com")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: answer)
    monkeypatch.setattr(rest.AirflowRest, "import_errors", lambda _: ["mnist.py: SyntaxError: odd"])
    ill, dags = airflow_checks.airflow(config)
    assert ill.state is State.failed and ill.found.endswith("not healthy: scheduler")
    assert dags.state is State.failed and "mnist.py: SyntaxError: odd" in dags.found


def test_dags_that_this_user_may_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> list[str]:
        raise rest.StackError("401")

    monkeypatch.setattr(rest.AirflowRest, "import_errors", refused)
    access = Access(url="http://127.0.0.1:9", user="me", password=SecretStr("x"))
    assert airflow_checks.dags(access).state is State.warning


def test_a_warm_server_that_does_not_answer(config: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a-1.sock").touch()
    lock = folder / "a-1.lock"
    lock.touch()
    assert airflow_checks.warm_server(config, folder).state is State.ok  # it has ended
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert airflow_checks.warm_server(config, folder).state is State.failed


def test_a_lock_that_is_held_for_hours(tmp_path: Path) -> None:
    lock = tmp_path / "mnist" / ".lock"
    lock.parent.mkdir()
    lock.write_text("pid 7 on there")
    os.utime(lock, (0, time.time() - 7 * 3600))
    assert airflow_checks.locks(tmp_path).state is State.ok  # a file alone is no lock
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        stale = airflow_checks.locks(tmp_path)
    assert stale.state is State.warning and "by pid 7 on there" in stale.found


def test_feeds(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    [none] = feed_checks.feeds(config)
    assert none.state is State.ok and "not used" in none.found
    feed_checks.keys.make(config.feed_keys_dir)
    assert {item.state for item in feed_checks.feeds(config)} == {State.warning}
    now = datetime.now(UTC)
    said = namedtuple("Document", "issued expires is_expired")
    signed = namedtuple("Signed", "document")
    for age, left, state in (
        (1, 240, State.ok),
        (72, 240, State.warning),
        (1, 24, State.warning),
        (240, 0, State.failed),
    ):
        document = said(now - timedelta(hours=age), now + timedelta(hours=left), lambda _, left=left: not left)
        monkeypatch.setattr(feed_checks.FeedFolder, "read", lambda *_, found=document: signed(found))
        assert {item.state for item in feed_checks.feeds(config, now)} == {state}
    (config.feed_keys_dir / feed_checks.keys.FEED_KEYS_FILE).write_text("{")
    assert {item.state for item in feed_checks.feeds(config)} == {State.failed}


def test_a_variable_in_the_wrong_file(tmp_path: Path) -> None:
    assert settings_files.check(tmp_path).state is State.ok
    (tmp_path / "settings.env").write_text("NIGHTLITE_PORT=8081\nNIGHTLITE_TIMEZONE=UTC\n")
    (tmp_path / ".env").write_text("NIGHTLITE_PORT=8082\nNIGHTLITE_IMAGE=a\nREDIS_PASSWORD=b\n")
    assert settings_files.check(tmp_path).state is State.ok
    (tmp_path / ".env").write_text("NIGHTLITE_MNIST_EPOCHS=3\n")
    (tmp_path / "settings.env").write_text("NIGHTLITE_SCHEDULER_MEMORY=1g\n")
    odd = settings_files.check(tmp_path)
    assert odd.state is State.warning
    assert "NIGHTLITE_SCHEDULER_MEMORY in settings.env" in odd.found and "NIGHTLITE_MNIST_EPOCHS in .env" in odd.found


def found_settings(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], file: dict[str, str]) -> dict[str, Shown]:
    for name, value in {**file, **environ}.items():
        monkeypatch.setenv(name, value)
    return {item.name: item for item in shown_settings(environ, file)}


def test_each_setting_says_where_it_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    file = {"NIGHTLITE_TIMEZONE": "Europe/Berlin", "NIGHTLITE_NODE_RETRIES": "5", "NIGHTLITE_MNIST_EPOCHS": "3"}
    found = found_settings(monkeypatch, {"NIGHTLITE_NODE_RETRIES": "6"}, file)
    for name, value, source in (
        ("TIMEZONE", "Europe/Berlin", "settings.env"),
        ("NODE_RETRIES", "6", "environment"),
        ("KEEP_RELEASES", "10", "default"),
        ("MNIST_EPOCHS", "3", "settings.env"),
        ("MNIST_SCHEDULE", "0 2 * * *", "the model"),
        ("PENGUINS_MIN_ACCURACY", "0.9", "the model"),
    ):
        shown = found[f"NIGHTLITE_{name}"]
        assert (shown.value, shown.source, shown.problem) == (value, source, "")


def test_no_secret_is_shown_and_what_nothing_reads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = "NIGHTLITE_MNIST_" + "EPOCS"
    secret = "s3cret-word"
    file = {
        "NIGHTLITE_METADATA_URL": f"mysql://me:{secret}@db.example.com/mlmd",
        "NIGHTLITE_NOTIFY_URLS": f"mailtos://me:{secret}@example.com",
        "NIGHTLITE_TOKEN": secret,
        "NIGHTLITE_ADMIN_PASSWORD": secret,
        unknown: secret,
    }
    found = found_settings(monkeypatch, {}, file)
    assert secret not in str(found)
    assert found["NIGHTLITE_METADATA_URL"].value == f"mysql://{MASK}@db.example.com/mlmd"
    assert found["NIGHTLITE_TOKEN"].value == MASK
    assert found[unknown].problem == "nothing reads it"


def test_a_wrong_value_is_named_beside_the_others_and_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_KEEP_RELEASES", "none")
    done = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["config", "show", "--json", "--changed"])
    assert done.exit_code == 1
    found = {item["name"]: item for item in json.loads(done.output)}
    assert "expected a whole number" in found["NIGHTLITE_KEEP_RELEASES"]["problem"]
    assert found["NIGHTLITE_VAR_DIR"]["source"] == "environment"
