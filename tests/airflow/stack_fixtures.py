"""A real Airflow for the tests: its own state folder, a free port, and the DAGs that a test gives it."""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console

from pipeline_lib.airflow import stack
from pipeline_lib.airflow.local_config import USER, LocalAirflow
from pipeline_lib.airflow.rest import AirflowRest
from pipeline_lib.settings import Settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_airflow(settings: Settings, dags_folder: Path) -> Iterator[LocalAirflow]:
    """`make up` before, `make down` after, whatever happens between."""
    try:
        yield stack.up(settings, dags_folder, Console(width=200))
    finally:
        stack.down(settings)


def logged_in(airflow: LocalAirflow) -> AirflowRest:
    return AirflowRest.login(airflow.url, USER, airflow.password())


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
