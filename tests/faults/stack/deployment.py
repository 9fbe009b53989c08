"""The pipeline of the nights under a real Airflow, and what has to be true of it after each run."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from nightlite.deployment.client.answers import DagRun
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.local import stack
from nightlite.deployment.settings import Settings
from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.model import model_name
from nightlite.ondevice.releases.store import Releases
from tests.real_airflow import logged_in
from tests.waiting import wait_until

NAME, OTHER = "nights", "others"  # two models, with the same run ids
MODEL_BYTES = 20_000
LIVE, OPEN = 2, (1, 2)  # ml_metadata's Artifact.State.LIVE; Execution.State.NEW and RUNNING
# A host that starts its runtime again and again measures any latency.
ANY_LATENCY = {"max_latency_ms": 1e6, "max_load_ms": 1e6, "max_latency_ratio": 1e6}


def is_good(night: int) -> bool:
    """Return whether the night's model is released: every third one is refused."""
    return night % 3 != 2


@dataclass
class Deployment:
    """One Airflow, which `up` brings back as an operator does; its DAG's runs are numbered nights."""

    settings: Settings
    dags: Path
    dag_id: str = NAME

    @property
    def folders(self) -> ModelFolders:
        return self.settings.folders(model_name(self.dag_id))

    @property
    def home(self) -> Path:
        return self.settings.var_dir / "airflow"

    def up(self) -> None:
        """Start what does not run."""
        if not stack.is_up(stack.local_airflow(self.settings, self.dags)):
            started = time.monotonic()
            stack.up(self.settings, self.dags, Console(width=200))
            print(f"up took {time.monotonic() - started:.1f} s", flush=True)

    def rest(self) -> AirflowRest:
        return logged_in(stack.local_airflow(self.settings, self.dags))

    def trigger(self, night: int) -> None:
        told = {"night": night, "week": night // 7} if self.dag_id in (NAME, OTHER) else {"seed": night, **ANY_LATENCY}
        with self.rest() as rest:
            rest.trigger_once(self.dag_id, f"night-{night}", told)

    def run(self, night: int) -> DagRun:
        with self.rest() as rest:
            return rest.run(self.dag_id, f"night-{night}")

    def ended(self, night: int) -> DagRun:
        """Wait for the run's end."""
        run: DagRun = wait_until(
            lambda: f"the end of night {night}: {self.describe(night)}",
            lambda: (now := self.run(night)).finished and now,
        )
        return run

    def describe(self, night: int) -> str:
        with self.rest() as rest:
            tasks = rest.tasks(self.dag_id, f"night-{night}")
            failed = [
                rest.log_lines(self.dag_id, f"night-{night}", task)[-8:] for task in tasks if task.state == "failed"
            ]
        states = ", ".join(f"{task.task_id} {task.state} (try {task.try_number})" for task in tasks)
        return f"{states}; {failed}"

    def require_whole(self, nights: int) -> None:
        """Require that nothing is running or half done, each good night is one release, and `latest` is the last."""
        self.require_nothing_half_done()
        models = [uri / "tflite" for uri in self._published() if uri.parts[-3] == "Train"]
        assert models and all(model.stat().st_size == MODEL_BYTES for model in models)
        releases = Releases(self.folders.releases)
        for version in releases.versions():
            releases.release(version).verify()
        good = [f"night-{night}" for night in range(nights) if is_good(night)]
        pushes = [event for event in releases.history() if event.action == "push"]
        assert [event.why.removeprefix("run ").split(",")[0] for event in pushes] == good, "lost, or made twice"
        assert releases.latest_version() == releases.versions()[-1] == pushes[-1].version == len(good)
        assert [path.name for path in releases.folder.iterdir() if path.name.startswith(".unfinished")] == []

    def _query(self, sql: str, *values: int) -> list[tuple[str, ...]]:
        path = self.settings.var_dir / "metadata" / "mlmd.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(sql, values).fetchall()

    def require_nothing_half_done(self) -> None:
        """Require that no execution is open, and that published artifacts and existing folders agree."""
        still_open = self._query("SELECT id, last_known_state FROM Execution WHERE last_known_state IN (?, ?)", *OPEN)
        assert still_open == [], f"executions left NEW or RUNNING: {still_open}"
        uris = self._published()
        missing = [uri for uri in uris if not uri.exists()]
        assert missing == [], f"published, but not there: {missing}"
        published = {uri.parent if uri.is_file() else uri for uri in uris}
        assert set(self._folders()) - published == set(), "there, but not published"

    def _published(self) -> list[Path]:
        return [Path(uri) for [uri] in self._query("SELECT DISTINCT uri FROM Artifact WHERE state = ?", LIVE)]

    def _folders(self) -> Iterator[Path]:
        """Yield every folder that a node's execution has made for an output."""
        for path in self.folders.artifacts.glob("*/*/*"):
            if not path.relative_to(self.folders.artifacts).parts[1].startswith("."):
                yield path
