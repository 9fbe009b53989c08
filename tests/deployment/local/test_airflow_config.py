"""The local Airflow's configuration, as Airflow reads it."""

import subprocess
import sys
from pathlib import Path

from nightlite.deployment.local.airflow_config import LocalAirflow
from nightlite.paths import PROJECT

# Airflow has one connection for what is synchronous and one for what is not.
ASK = """
import asyncio
from airflow import settings

settings.initialize()
pragma = "PRAGMA busy_timeout"
with settings.engine.connect() as connection:
    print(connection.exec_driver_sql(pragma).scalar())

async def ask():
    async with settings.async_engine.connect() as connection:
        print((await connection.exec_driver_sql(pragma)).scalar())
    await settings.async_engine.dispose()

asyncio.run(ask())
"""


def test_a_writer_waits_longer_for_its_turn_than_python_has_it(tmp_path: Path) -> None:
    home = tmp_path / "100 % of it" / "airflow"
    LocalAirflow(home, 1, tmp_path).write()
    environment = {"AIRFLOW_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    asked = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=False)
    assert asked.stdout.split()[-2:] == ["30000", "30000"], asked.stderr
    assert (home / "airflow.db").is_file()
