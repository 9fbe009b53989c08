"""The init of `docker compose` by itself; tests/compose runs the whole of it against real databases."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.configuration import conf
from airflow.models.connection import Connection
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from models.mnist.on_device import MODEL
from nightlite.deployment.containers import initialize
from nightlite.deployment.in_airflow.watchdog.login import CONNECTION, WATCHDOG_USER
from nightlite.deployment.settings import Settings
from nightlite.errors import NightliteError, StackError
from nightlite.paths import PROJECT
from nightlite.settings import forget_settings
from tests.declared import declared_models


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings whose TFX interpreter writes down what it is asked, and fails for a dataset called bad."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n[ "$4" != bad ]\n')
    python.chmod(0o755)
    return Settings(var_dir=tmp_path / "var", tfx_python=python)


@pytest.mark.parametrize(("variable", "ingested"), [("digits", "digits"), (None, "mnist5k")])
def test_the_first_data_is_the_settings_dataset_or_the_models_first_source(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, ingested: str
) -> None:
    if variable:
        monkeypatch.setenv("NIGHTLITE_MNIST_DATASET", variable)
    initialize.first_data(settings, MODEL)
    command = f"-m nightlite.deployment.in_tfx.commands ingest {ingested} --model=mnist --no-tell\n"
    assert (tmp_path / "asked").read_text() == command


def test_without_one_it_is_the_models_first_source(settings: Settings, tmp_path: Path) -> None:
    initialize.first_data(settings, MODEL)
    assert f" ingest {MODEL.usual_source} --model=mnist --no-tell" in (tmp_path / "asked").read_text()


def test_data_that_is_there_is_never_followed_by_the_first_again(settings: Settings, tmp_path: Path) -> None:
    (settings.folders(MODEL.name).data / "span-7").mkdir(parents=True)
    initialize.first_data(settings, MODEL)
    assert not (tmp_path / "asked").exists()


def test_each_model_that_is_switched_on_gets_its_first_data(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("check_settings", "refuse_broken_dags", "migrate", "make_users", "forget_runs"):
        monkeypatch.setattr(initialize, step, lambda *_, **__: None)
    monkeypatch.setenv("NIGHTLITE_TREES_" + "ENABLED", "false")
    others = {name: MODEL.model_copy(update={"name": name, "sources": {name: "."}}) for name in ("flowers", "trees")}
    with declared_models({**others, "mnist": MODEL}):
        initialize.initialize(settings)
    asked = [line.split("ingest ")[1] for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked == ["flowers --model=flowers --no-tell", f"{MODEL.usual_source} --model=mnist --no-tell"]


def test_data_that_cannot_be_had_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_MNIST_DATASET", "bad")
    with pytest.raises(StackError, match=r"could not ingest NIGHTLITE_MNIST_DATASET \(bad\): the reason is above"):
        initialize.first_data(settings, MODEL)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MNIST_SCHEDULE", "99 2 * * *", r"mnist.py: .*NIGHTLITE_MNIST_SCHEDULE: .* Received: '99 2 \* \* \*'"),
        ("MNIST_MIN_ACCURACY", "7", "^NIGHTLITE_MNIST_MIN_ACCURACY: "),
        ("MNIST_MIN_" + "ACURACY", "0.98", r"^Did you mean NIGHTLITE_MNIST_MIN_ACCURACY\? "),
    ],
)
def test_a_bad_setting_ends_init_before_it_changes_anything(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setattr(initialize, "migrate", lambda: pytest.fail("the database was migrated"))
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(PROJECT / "dags"))
    monkeypatch.setenv(f"NIGHTLITE_{name}", value)
    forget_settings()
    with pytest.raises(NightliteError, match=said):
        initialize.initialize(settings)
    forget_settings()


@pytest.mark.usefixtures("airflow_database")
def test_old_logs_go_and_new_ones_stay() -> None:
    logs = Path(conf.get_mandatory_value("logging", "base_log_folder"))
    old = {logs / "dag_id=d" / "run_id=old", logs / "dag_processor" / "2026-01-01"}
    new = {logs / "dag_id=d" / "run_id=new", logs / "dag_processor" / "2026-01-02"}
    for folder in old | new:
        folder.mkdir(parents=True)
    month_ago = time.time() - timedelta(days=30).total_seconds()
    for folder in old:
        os.utime(folder, (month_ago, month_ago))
    initialize.forget_runs(datetime.now(UTC) - timedelta(days=7))
    assert {folder for folder in old | new if folder.exists()} == new


def test_the_locked_celery_is_one_that_the_executor_can_be_imported_with() -> None:
    """With celery 5.7, provider 3.26's import fails; nothing but a Celery deployment would notice."""
    from airflow.providers.celery.executors.celery_executor import CeleryExecutor

    assert not CeleryExecutor.is_local


class Users:
    """The part of FAB's security manager that makes users, with a list in the place of its tables."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.refuses = False

    def find_user(self, name: str) -> SimpleNamespace | None:
        return SimpleNamespace(id=name) if name in self.passwords else None

    def find_role(self, name: str) -> str:
        return name

    def add_user(self, name: str, first: str, last: str, mail: str, role: str, password: str) -> bool:
        assert role == "Viewer"
        if not self.refuses:
            self.passwords[name] = password
        return not self.refuses

    def reset_password(self, user_id: str, password: str) -> None:
        self.passwords[user_id] = password


@pytest.mark.usefixtures("airflow_database")
def test_the_watchdogs_password_is_in_its_connection_alone_and_made_again_with_it() -> None:
    users = Users()
    builder = SimpleNamespace(sm=users)
    users.refuses = True
    with pytest.raises(StackError, match="the user watchdog could not be made"):
        initialize.make_watchdog_login(builder)
    users.refuses = False
    initialize.make_watchdog_login(builder)
    first = users.passwords[WATCHDOG_USER]
    with create_session() as session:
        stored = session.scalar(select(Connection).where(Connection.conn_id == CONNECTION))
        assert stored and (stored.login, stored.password) == (WATCHDOG_USER, first)
    initialize.make_watchdog_login(builder)
    assert users.passwords == {WATCHDOG_USER: first}
    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == CONNECTION))
    initialize.make_watchdog_login(builder)
    assert users.passwords[WATCHDOG_USER] != first
