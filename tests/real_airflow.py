"""A real Airflow for the tests: its own state folder, a free port, and the DAGs that a test gives it."""

import configparser
import contextlib
import io
import os
import random
import socket
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from fastapi import FastAPI
from rich.console import Console

from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.local import stack
from nightlite.deployment.local.airflow_config import USER, LocalAirflow
from nightlite.deployment.settings import Settings
from nightlite.paths import PROJECT
from tests.waiting import wait_until


def free_port() -> int:
    """Return a port that is free now, below those that the system gives to others by itself until it is used."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def running_airflow(settings: Settings, dags_folder: Path) -> Iterator[LocalAirflow]:
    """Yield `make up` before, `make down` after, whatever happens between."""
    try:
        yield stack.up(settings, dags_folder, Console(width=200))
    finally:
        stack.down(settings)


def logged_in(airflow: LocalAirflow) -> AirflowRest:
    return AirflowRest.login(airflow.url, USER, airflow.password())


def wait_for_dag(rest: AirflowRest, dag_id: str) -> None:
    wait_until(lambda: f"the DAG {dag_id}: {rest.import_errors()}", lambda: rest.dag(dag_id), seconds=300)


@contextlib.contextmanager
def api_application(apps: str = "core", plugins_folder: Path | None = None) -> Iterator[FastAPI]:
    """Make Airflow's own API application, with the wheel's plugin in it and those of a folder.

    Args:
      apps: "all" adds the tasks' API.
      plugins_folder: a folder of plugins, as `[core] plugins_folder` names it.
    """
    # They read Airflow's home, which a conftest sets first.
    from airflow import plugins_manager, settings
    from airflow.api_fastapi import app
    from airflow.configuration import conf

    def forget() -> None:
        app.purge_cached_app()
        plugins_manager._get_plugins.cache_clear()
        plugins_manager._get_ui_plugins.cache_clear()
        plugins_manager.get_fastapi_plugins.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0" * 64)
        patch.setattr(settings, "PLUGINS_FOLDER", str(plugins_folder or conf.get("core", "plugins_folder")))
        forget()
        yield app.create_app(apps=apps)
        forget()


@contextlib.contextmanager
def deployed_api_application(apps: str = "core") -> Iterator[FastAPI]:
    """Make the API application with the plugins folder that this deployment's airflow.cfg names."""
    with tempfile.TemporaryDirectory() as home:
        LocalAirflow(Path(home), 1, Path(home, "dags")).write()
        config = configparser.RawConfigParser()
        config.read(Path(home, "airflow.cfg"))
        with api_application(apps, Path(config["core"]["plugins_folder"])) as application:
            yield application


def token(role: str = "user") -> str:
    """Return a token that this API application gives a person of a role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def plain_console() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=200), text


def wait_for_process(argument: str) -> psutil.Process:
    """Wait for a process that is `sleep ARGUMENT`."""

    def found() -> psutil.Process | None:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cmdline() == ["sleep", argument]:
                    return process
        return None

    process: psutil.Process = wait_until(f"a process 'sleep {argument}'", found, seconds=300)
    return process


def tfx(settings: Settings, *arguments: str, ok: Collection[int] = (0,)) -> str:
    """Run a module in the TFX environment; return what it printed. Another exit code fails the test."""
    command = [str(settings.tfx_python), "-m", *arguments]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=PROJECT, env=env, check=False, text=True, capture_output=True)
    assert done.returncode in ok, done.stdout + done.stderr
    return done.stdout
