"""A clock that is set back by an hour or a day between two nights: what is newest is what came last."""

import itertools
import os
import sqlite3
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from unittest import mock

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings
from nightlite.ondevice import spans
from nightlite.ondevice.in_tfx.ingest import write_span as written_spans
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.releases import store as release_store
from nightlite.ondevice.releases import writer as release_writer
from nightlite.ondevice.releases.store import Releases
from nightlite.runner.in_tfx.mlmd.store import open_store
from tests.faults.tfx.nights import folders_of, prune, run_node, simulate
from tests.ondevice.in_tfx.gate_laboratory import few_digits
from tests.pipelines.tiny_nights import NAME

STEPS = (timedelta(hours=1), timedelta(days=1))
BEFORE, NIGHTS = 4, 7  # of seven nights of one week, the clock is set back after the fourth


def wrong_by(step: timedelta) -> type[datetime]:
    """Return a clock that is ahead, until someone sets it right."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + step

    return Ahead


def date_ahead(var: Path, step: timedelta) -> None:
    """Write what there is by now while the clock was ahead: the store's records and the files."""
    milliseconds = int(step.total_seconds() * 1000)
    with sqlite3.connect(var / "metadata" / "mlmd.sqlite") as connection:
        for table in ("Artifact", "Execution", "Context"):
            for column in ("create_time_since_epoch", "last_update_time_since_epoch"):
                connection.execute(f"UPDATE {table} SET {column} = {column} + {milliseconds}")
        connection.execute(f"UPDATE Event SET milliseconds_since_epoch = milliseconds_since_epoch + {milliseconds}")
    connection.close()
    for path in var.rglob("*"):
        if not path.is_symlink():
            moment = path.stat().st_mtime + step.total_seconds()
            os.utime(path, (moment, moment))


@pytest.fixture(params=STEPS, ids=str)
def step(request: pytest.FixtureRequest) -> timedelta:
    return request.param


@pytest.fixture
def lived(tmp_path: Path, step: timedelta, deployed: Settings) -> Settings:
    """Return seven nights; as the settings of the deployment."""
    nights = simulate(NIGHTS, tmp_path)
    with (
        mock.patch.object(release_store, "datetime", wrong_by(step)),
        mock.patch.object(release_writer, "datetime", wrong_by(step)),
    ):
        for _ in range(BEFORE):
            next(nights)
    date_ahead(tmp_path, step)
    list(nights)
    return deployed


def run_names(config: Settings, kind: str) -> set[str]:
    """Return the runs whose artifacts of this type MLMD says are there, and are."""
    found = set()
    with open_store(config.mlmd_url) as handle:
        for artifact in handle.store.get_artifacts_by_type(kind):
            if artifact.state == artifact.LIVE:
                assert Path(artifact.uri).is_dir()
                contexts = handle.store.get_contexts_by_artifact(artifact.id)
                found |= {
                    context.name.removeprefix(f"{NAME}.") for context in contexts if context.type == "pipeline_run"
                }
    return found


def test_no_release_is_lost_made_twice_or_taken_for_older(lived: Settings) -> None:
    releases = Releases(folders_of(lived).releases)
    good = [number for number in range(NIGHTS) if number % 3 != 2]
    pushes = [event for event in releases.history() if event.action == "push"]
    assert [event.why for event in pushes] == [f"run night-{number}" for number in good]
    assert [event.version for event in pushes] == list(range(1, len(good) + 1))
    assert any(late.when > event.when for late, event in itertools.pairwise(pushes))  # it was set back
    latest = releases.latest()
    assert latest and (latest.version, latest.manifest.run_id) == (len(good), f"night-{good[-1]}")
    for version in releases.versions():
        releases.release(version).verify()


def test_retention_leaves_the_runs_that_came_last(lived: Settings) -> None:
    releases = Releases(folders_of(lived).releases)
    releases.prune(1, who="test", why="test")
    assert releases.versions() == [releases.latest_version()]
    prune(lived, keep_runs=2)
    # And the night before, whose model these two were compared with.
    assert {"night-6", "night-5"} <= run_names(lived, "Model") <= {"night-6", "night-5", "night-4"}


def test_the_baseline_is_the_last_release(lived: Settings) -> None:
    with open_store(lived.mlmd_url) as handle:
        run = handle.store.get_context_by_type_and_name("pipeline_run", f"{NAME}.night-{NIGHTS - 1}")
        [resolver] = [
            execution
            for execution in handle.store.get_executions_by_context(run.id)
            if "Resolver" in handle.store.get_execution_types_by_id([execution.type_id])[0].name
        ]
        given = [event.artifact_id for event in handle.store.get_events_by_execution_ids([resolver.id])]
        models = {item.id for item in handle.store.get_artifacts_by_type("Model")}
    # Of the night before the last there is no release: every third is refused.
    before_last = [event for event in Releases(folders_of(lived).releases).history() if event.action == "push"][-2]
    manifest = Releases(folders_of(lived).releases).release(before_last.version).manifest
    assert set(given) & models == {manifest.model_artifact_id}


def examples_read(config: Settings, run_id: str) -> str:
    with open_store(config.mlmd_url) as handle:
        run = handle.store.get_context_by_type_and_name("pipeline_run", f"{NAME}.{run_id}")
        [found] = [item for item in handle.store.get_artifacts_by_context(run.id) if item.uri.count("/Data/examples/")]
    return str(found.uri)


def test_the_cache_answers_with_what_was_made_last(lived: Settings) -> None:
    """Data made again while the clock was right is newer than the same data from when it was ahead."""
    [old] = (folders_of(lived).artifacts / "Data" / "examples").iterdir()
    assert examples_read(lived, "night-6") == str(old)  # a week's data, over the step
    run_node("Data", 0, run_id="forced", force=True)
    made = examples_read(lived, "forced")
    assert made != str(old)
    run_node("Data", 0, run_id="after")
    assert examples_read(lived, "after") == made


def test_the_newest_span_is_the_one_with_the_highest_number(tmp_path: Path, step: timedelta) -> None:
    with mock.patch.object(written_spans, "datetime", wrong_by(step)):
        write_span(MODEL, few_digits(100), tmp_path)
    newest = write_span(MODEL, few_digits(90), tmp_path)
    assert [span.number for span in spans.select(tmp_path, window=2)] == [1, 2]
    # By its date, too: of the two, the second was there at that moment, by the clock of that moment.
    assert [span.number for span in spans.select(tmp_path, as_of=newest.manifest.created.isoformat())] == [2]
