"""Bring a deployment's database, users and first data to this version's state, as `docker compose`'s `init`.

    python -m nightlite.deployment.containers.initialize

It runs before anything else, at every start, and keeps whatever exists. One `NIGHTLITE_*_PASSWORD` is read for
each user who does not exist yet. After that, only Airflow's own database holds the password.
"""

import contextlib
import io
import os
import secrets
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nightlite.deployment.dag_check import import_errors, refuse_broken_dags
from nightlite.deployment.in_airflow.watchdog.login import CONNECTION, WATCHDOG_USER
from nightlite.deployment.models import models
from nightlite.deployment.setting_check import beam_args_without_nodes, check_settings
from nightlite.deployment.settings import Settings, settings
from nightlite.errors import NightliteError, SettingsError, StackError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import model_prefix, model_settings
from nightlite.paths import PROJECT

# A killed scheduler looks alive until its last heartbeat is 30 s old.
STILL_ALIVE_SECONDS = 60
# Users and their roles in Airflow.
USERS = {"admin": "Admin", "operator": "Op", "viewer": "Viewer"}


def initialize(config: Settings) -> None:
    """Migrate, create the users and ingest the first data. Each step reports what it did.

    Raises:
      SettingsError: a variable is unknown or malformed, or a new user has no password.
      StackError: a DAG file cannot be imported, or there is no data to train on. Or the database is a newer
        version's or used by an older one.
    """
    from airflow.configuration import conf

    check_settings(config, with_files=False)
    for warning in beam_args_without_nodes(config):
        say(warning)
    refuse_broken_dags(import_errors(Path(conf.get_mandatory_value("core", "dags_folder"))))
    migrate()
    make_users()
    for model in models().values():
        first_data(config, model)
    if config.keep_runs_days:
        forget_runs(datetime.now(UTC) - timedelta(days=config.keep_runs_days))


def migrate() -> None:
    """Migrate Airflow's database if this version needs it, while no scheduler uses it.

    Raises:
      StackError: a scheduler is using it, or it holds migrations that this version does not know.
    """
    from airflow.utils import db
    from alembic.util.exc import CommandError

    if is_migrated():
        say("the database is up to date: nothing to migrate")
        return
    _wait_until_unused()
    say("migrating the database")
    try:
        db.upgradedb()
    except CommandError as error:
        raise StackError(
            f"expected a database that this version or an older one made. Received: {error}. "
            "Use the newer image again, or restore the backup made before it"
        ) from None
    say("the database is migrated")


def is_migrated() -> bool:
    from airflow.utils import db

    try:
        db.check_migrations(1)  # type: ignore[no-untyped-call]
    except TimeoutError:
        return False
    return True


def _wait_until_unused() -> None:
    """Wait until no scheduler of the old version uses the tables that the migration changes."""
    deadline = time.monotonic() + STILL_ALIVE_SECONDS
    while _scheduler_is_alive():
        if time.monotonic() > deadline:
            raise StackError(
                "the database needs a migration, but a scheduler of the version before it is running on it: "
                "'docker compose down' first, then 'docker compose up'"
            )
        time.sleep(2)


def _scheduler_is_alive() -> bool:
    from airflow.jobs.job import most_recent_job
    from sqlalchemy.exc import ProgrammingError

    try:
        job = most_recent_job("SchedulerJob")
    except ProgrammingError:  # an empty database
        return False
    return job is not None and job.is_alive()


def make_users() -> None:
    """Create the missing users, and set the roles' permissions to this version's.

    Raises:
      SettingsError: the variable of a new user's password is missing.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    def make() -> None:
        with get_application_builder() as builder:
            builder.add_permissions(update_perms=True)  # type: ignore[no-untyped-call]
            builder.sm.sync_roles()
            for user, role in USERS.items():
                if builder.sm.find_user(user):
                    continue
                variable = f"NIGHTLITE_{user.upper()}_PASSWORD"
                password = os.environ.get(variable)
                if not password:
                    raise SettingsError(
                        f"{variable}: expected a password for the new user. Received: none; run 'make env'"
                    )
                _add_user(builder, user, role, password)
                say(f"made the user {user}, role {role}")
            make_watchdog_login(builder)

    providers_configuration_loaded(make)()


def _add_user(builder: Any, user: str, role: str, password: str) -> None:
    if not builder.sm.add_user(user, user, "", f"{user}@localhost", builder.sm.find_role(role), password):
        raise StackError(f"the user {user} could not be made: the reason is above")


def make_watchdog_login(builder: Any) -> None:
    """Create the watchdog's user, and a Connection with its password, unless there is one.

    No variable and no person holds that password.
    """
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        if session.scalar(select(Connection).where(Connection.conn_id == CONNECTION)):
            return
        password = secrets.token_urlsafe(24)
        if user := builder.sm.find_user(WATCHDOG_USER):
            builder.sm.reset_password(user.id, password)
        else:
            _add_user(builder, WATCHDOG_USER, "Viewer", password)
        session.add(Connection(CONNECTION, "http", "Login of the DAG watchdog", login=WATCHDOG_USER, password=password))
        say(f"made the user {WATCHDOG_USER}, role Viewer, and the Connection {CONNECTION}")


def first_data(config: Settings, model: OnDeviceModel) -> None:
    """Ingest a model's first data, so that no operator's span comes before it.

    Data that is there already stays the only data.

    Raises:
      StackError: the ingest failed.
    """
    if any(config.folders(model.name).data.glob("span-*")):
        say(f"{model.name} has data already: nothing to ingest")
        return
    source = model_settings(model).dataset or model.usual_source
    say(f"ingesting {source} for {model.name}")
    command = [
        str(config.tfx_python),
        "-m",
        "nightlite.deployment.in_tfx.commands",
        "ingest",
        source,
        f"--model={model.name}",
        "--no-tell",
    ]
    if subprocess.call(command, cwd=PROJECT):
        raise StackError(f"could not ingest {model_prefix(model)}DATASET ({source}): the reason is above")


def forget_runs(before: datetime) -> None:
    """Remove records and logs from before `before`, except the last scheduled run."""
    import pendulum
    from airflow.configuration import conf
    from airflow.utils.db_cleanup import run_cleanup

    with contextlib.redirect_stdout(io.StringIO()):  # it prints a page on every table
        run_cleanup(clean_before_timestamp=pendulum.instance(before), confirm=False, skip_archive=True)
    logs = Path(conf.get_mandatory_value("logging", "base_log_folder"))
    of_runs, of_days = (
        [path for path in logs.glob(folders) if path.stat().st_mtime < before.timestamp()]
        for folders in ("dag_id=*/run_id=*", "dag_processor/????-??-??")
    )
    for path in (*of_runs, *of_days):
        shutil.rmtree(path, ignore_errors=True)
    say(f"runs from before {before:%Y-%m-%d} are forgotten; the logs of {len(of_runs)} of them were removed")


def say(text: str) -> None:
    print(f"init: {text}", flush=True)


def main() -> int:
    try:
        initialize(settings())
    except NightliteError as error:
        print(f"init: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
