"""A plain Airflow from PyPI in an environment of its own, before and after the wheel was installed into it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nightlite.paths import PROJECT

LOOK = Path(__file__).with_name("look.py")
UV = shutil.which("uv") or str(PROJECT / ".venvs" / "tools" / "bin" / "uv")
FOREIGN = """
from datetime import datetime
from airflow.sdk import DAG, Param, task

with DAG("foreign", schedule="0 3 * * *", start_date=datetime(2020, 1, 1), catchup=True,
         params={"limit": Param(5, type="integer", maximum=9)}, tags=["theirs"]) as dag:

    @task(retries=3, pool_slots=2)
    def work():
        return 1

    work()
"""


@dataclass
class PlainAirflow:
    """An environment that holds `apache-airflow` alone, and an Airflow home for it."""

    folder: Path
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        return self.folder / "env" / "bin"

    @property
    def home(self) -> Path:
        return self.folder / "airflow"

    def run(self, *command: str | Path, **variables: str) -> str:
        """Return the stdout of one of the environment's commands, which knows nothing of this checkout."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64,
            **{name: os.environ[name] for name in os.environ if name.startswith(("UV_", "PIP_", "SSL_"))},
            "UV_CACHE_DIR": uv("cache", "dir").strip(),
            **variables,
        }
        done = subprocess.run(
            [str(self.bin / command[0]), *map(str, command[1:])],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    def freeze(self) -> list[str]:
        return uv("pip", "freeze", "--python", str(self.bin / "python")).splitlines()

    def files(self) -> set[str]:
        """Return the environment's files, without those that Python writes at an import."""
        root = self.folder / "env"
        paths = (path for path in root.rglob("*") if "__pycache__" not in path.parts)
        return {str(path.relative_to(root)) for path in paths}

    def look(self) -> dict[str, Any]:
        """Return all that look.py sees, in a database that has had no run."""
        shutil.copy(self.folder / "empty.db", self.home / "airflow.db")
        self.run("airflow", "dags", "reserialize")
        return dict(json.loads(self.run("python", LOOK).splitlines()[-1]))


def uv(*arguments: str) -> str:
    done = subprocess.run([UV, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(PROJECT))
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> PlainAirflow:
    """Return a plain Airflow with the wheel in it. `seen` has what there was before."""
    airflow = PlainAirflow(tmp_path_factory.mktemp("plain"))
    python = str(airflow.bin / "python")
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, str(airflow.folder / "env"))
    uv("pip", "install", "--quiet", "--python", python, "apache-airflow==3.3.2")
    (airflow.home / "dags").mkdir(parents=True)
    (airflow.home / "dags" / "foreign.py").write_text(FOREIGN)
    airflow.run("airflow", "db", "migrate")
    shutil.copy(airflow.home / "airflow.db", airflow.folder / "empty.db")
    airflow.seen = {"versions": airflow.freeze(), "files": airflow.files(), "look": airflow.look()}
    print("\n".join(["apache-airflow==3.3.2 from PyPI resolved to:", *airflow.seen["versions"]]))
    uv("pip", "install", "--quiet", "--python", python, str(wheel))
    return airflow
