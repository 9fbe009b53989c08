"""The watchdog of a running Airflow whose settings someone breaks behind its back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest
from rich.console import Console

from nightlite.deployment.local import processes, stack
from nightlite.deployment.local.components import (
    COMPONENTS,
    airflow_environment,
    read_stack,
    settings_environment,
)
from nightlite.paths import PROJECT
from tests.end_to_end.conftest import WATCHDOG, Deployment
from tests.names import PIPELINE_NAME
from tests.waiting import wait_until

GRACE_SECONDS = 30
# Every file of a model reads it. Nothing of the watchdog does.
BROKEN = {"NIGHTLITE_NODE_RETRIES": "many"}


@pytest.fixture
def broken(deployment: Deployment) -> Iterator[datetime]:
    """Restart the DAG processor with a broken setting. Yield the time of that."""
    airflow, settings = deployment.airflow, deployment.settings
    known = read_stack(airflow.home)
    assert known
    [running] = [component.process() for component in known.components if component.name == "dag-processor"]
    assert running
    processes.terminate([running, *running.children(recursive=True)], GRACE_SECONDS)
    since = datetime.now(UTC)
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *COMPONENTS["dag-processor"]],
            env=airflow_environment(airflow) | settings_environment(settings) | BROKEN,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=nowhere,
            stderr=nowhere,
            start_new_session=True,
        )
    try:
        yield since
    finally:
        started = psutil.Process(process.pid)
        processes.terminate([started, *started.children(recursive=True)], GRACE_SECONDS)
        process.wait()
        stack.up(settings, airflow.dags_folder, Console(width=200))
        wait_until(deployment.rest.import_errors, lambda: not deployment.rest.import_errors(), seconds=300)


def test_it_has_nothing_to_say_of_nights_that_go_well(deployment: Deployment) -> None:
    """Other tests may have put refused drops here, of which it tells."""
    assert [text for text in deployment.watched() if " refused a drop: " not in text] == []


def test_broken_settings_behind_its_back_are_told(deployment: Deployment, broken: datetime) -> None:
    def noticed() -> bool:
        own = deployment.rest.dag(WATCHDOG)
        parsed = own and own.last_parsed_time and own.last_parsed_time > broken
        return bool(parsed and deployment.rest.import_error(PIPELINE_NAME))

    wait_until(deployment.rest.import_errors, noticed, seconds=300)
    [lost] = [text for text in deployment.watched() if PIPELINE_NAME in text.partition(" runs no longer")[0]]
    assert "NIGHTLITE_NODE_RETRIES: expected a whole number. Received: 'many'" in lost
    letters = [letter["Subject"] for letter in deployment.told.mailbox.mails]
    assert any(subject.startswith("watchdog WARNS: ") and PIPELINE_NAME in subject for subject in letters)
