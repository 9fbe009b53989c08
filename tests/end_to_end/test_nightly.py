"""New data, other dates, and two at once, under the real Airflow: from an ingest to a release without a hand on it."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from nightlite.deployment.local.components import read_stack
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.spans import MANIFEST, read
from tests.end_to_end.conftest import INGEST, NIGHT_MONTH, Deployment, FinishedRun
from tests.names import DATA_ASSET, PIPELINE_NAME
from tests.waiting import wait_until

PUSHER = "Pusher.mnist_lite"
READS = re.compile(r"reads (span-\d+(?:, span-\d+)*) of ")


def spans_read(deployment: Deployment, run: FinishedRun, dag_id: str = PIPELINE_NAME) -> str:
    """Return what ImportExampleGen said that it reads."""
    log = "\n".join(deployment.log(run, "ImportExampleGen", dag_id))
    found = READS.search(log)
    assert found, log
    return found[1]


@pytest.fixture(scope="module")
def fewer_digits(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return IDX files of what the first span holds, less twenty training examples."""
    folder = tmp_path_factory.mktemp("fewer")
    deployment.tfx("tests.pipelines.fewer_digits", str(folder), "20")
    return folder


@pytest.fixture(scope="module")
def first_span_is_released(deployment: Deployment) -> int:
    """Return the newest release, which other tests of this deployment may have made."""
    if Releases(deployment.folders.releases).latest() is None:
        assert deployment.run().state == "success"
    release = Releases(deployment.folders.releases).latest()
    assert release
    return release.version


@pytest.fixture(scope="module")
def ingested(deployment: Deployment, first_span_is_released: int, fewer_digits: Path) -> str:
    """Return what the ingest of a second span said."""
    return deployment.tfx("nightlite.deployment.in_tfx.commands", "ingest", str(fewer_digits), "--model=mnist")


@pytest.fixture(scope="module")
def on_new_data(deployment: Deployment, ingested: str) -> tuple[FinishedRun, FinishedRun]:
    """Return the run that the ingest alone has started, and one that someone triggered while it went on."""
    [started] = wait_until("a run on new data", lambda: deployment.runs(PIPELINE_NAME, "asset_triggered"))
    second = deployment.rest.trigger(PIPELINE_NAME, {}).dag_run_id
    first = deployment.finished(PIPELINE_NAME, started["dag_run_id"])
    return first, deployment.finished(PIPELINE_NAME, second)


def test_from_an_ingest_to_a_pushed_model_without_a_hand_on_the_keyboard(
    deployment: Deployment, first_span_is_released: int, ingested: str, on_new_data: tuple[FinishedRun, FinishedRun]
) -> None:
    run, _ = on_new_data
    assert "span-2: 1,417 train and 360 eval examples" in ingested
    assert ingested.rstrip().endswith(f"{deployment.airflow.url} was notified of span-2")
    [event] = deployment.asset_events(DATA_ASSET)
    assert event.items() >= read(deployment.folders.data, 2).event().items()
    states = run.states()
    assert states.pop("Approval.mnist_lite") == "skipped"  # no one was asked
    assert (run.state, set(states.values())) == ("success", {"success"}), states
    assert spans_read(deployment, run) == "span-2"
    release = Releases(deployment.folders.releases).latest()
    assert release and release.version == first_span_is_released + 1
    assert (release.manifest.run_id, release.manifest.span) == (run.run_id, 2)


def test_the_same_data_again_is_no_span_and_tells_no_one(deployment: Deployment, ingested: str) -> None:
    before = deployment.asset_events(DATA_ASSET)
    [said] = deployment.tfx("nightlite.deployment.in_tfx.commands", "ingest", "digits", "--model=mnist").splitlines()
    assert said.startswith("span-1 already holds exactly these")
    assert deployment.asset_events(DATA_ASSET) == before


def test_two_at_once_queue_and_the_second_finds_nothing_new(
    deployment: Deployment, on_new_data: tuple[FinishedRun, FinishedRun]
) -> None:
    def at(run: FinishedRun, what: str) -> datetime:
        return datetime.fromisoformat(
            deployment.rest.http.get(f"dags/{PIPELINE_NAME}/dagRuns/{run.run_id}").json()[what]
        )

    first, second = on_new_data
    assert at(second, "queued_at") < at(first, "end_date") <= at(second, "start_date")
    assert nothing_new(second)


def nothing_new(run: FinishedRun) -> bool:
    """Return whether a run was answered from cache, node by node, and shipped nothing because it is shipped already."""
    states = {task_id: result.state for task_id, result in run.results.items() if result}
    assert (states[PUSHER], facts_of(run.result(PUSHER)).outcome) == ("skipped", "nothing_new"), (
        states,
        run.result(PUSHER),
    )
    made = {node for node, state in states.items() if state == "succeeded" and not node.startswith("Resolver.")}
    # These are held to the last release, which the run before may have made.
    assert made <= {"Evaluator.mnist_lite", "EdgeValidator", "ModelReport", "OutcomeReport"}, states
    assert set(states.values()) == {"succeeded", "cached", "skipped"}, states
    return run.state == "success"


def test_two_scheduled_runs_of_other_dates_find_nothing_new(
    deployment: Deployment, on_new_data: tuple[FinishedRun, FinishedRun]
) -> None:
    deployment.rest.unpause("often")
    runs: list[dict[str, Any]] = wait_until(
        "two scheduled runs", lambda: len(found := deployment.runs("often", "scheduled")) >= 2 and found[:2]
    )
    assert runs[0]["logical_date"] < runs[1]["logical_date"]
    finished = [deployment.finished("often", run["dag_run_id"]) for run in runs]
    deployment.rest.http.patch("dags/often", json={"is_paused": True}).raise_for_status()
    assert all(nothing_new(run) for run in finished)


def test_a_backfill_reads_each_dates_span(deployment: Deployment, on_new_data: tuple[FinishedRun, FinishedRun]) -> None:
    last_year = datetime.now(UTC).year - 1
    for number, year in ((1, last_year - 2), (2, last_year - 1)):  # each made just after that year's run
        file = deployment.folders.data / f"span-{number}" / MANIFEST
        created = datetime(year, NIGHT_MONTH, 1, 2, 0, 1, tzinfo=UTC)
        file.write_text(json.dumps(json.loads(file.read_text()) | {"created": created.isoformat()}))
    dates = [f"{year}-{NIGHT_MONTH:02}-01T00:00:00Z" for year in (last_year - 1, last_year)]
    body = {"dag_id": PIPELINE_NAME, "from_date": dates[0], "to_date": dates[1].replace("T00", "T03")}
    body |= {"dag_run_conf": {"push": "dry run"}, "max_active_runs": 1}
    make_backfill(deployment, body)
    runs = wait_until("two runs", lambda: len(found := deployment.runs(PIPELINE_NAME, "backfill")) == 2 and found)
    finished = [deployment.finished(PIPELINE_NAME, run["dag_run_id"]) for run in runs]
    assert [run["logical_date"][:4] for run in runs] == [str(last_year - 1), str(last_year)]
    assert [spans_read(deployment, run) for run in finished] == ["span-1", "span-2"]
    assert {run.state for run in finished} == {"success"}
    assert {run.states()[PUSHER] for run in finished} == {"skipped"}


def make_backfill(deployment: Deployment, body: dict[str, Any]) -> None:
    """With SQLite, Airflow takes what it has made of one back if its scheduler writes meanwhile, and answers 503.

    The scheduler may have read by then what is taken back, and ends. So it is held, between two writes of its own:
    held within one, it would lock the others out, and those end after a minute. Another component may still write in
    that moment, so a 503 is asked again, as Airflow says.
    """
    stack = read_stack(deployment.airflow.home)
    [scheduler] = [item.process() for item in stack.components if item.name == "scheduler"] if stack else []
    assert scheduler, "no scheduler is alive"

    def held_between_writes() -> bool:
        scheduler.suspend()
        with contextlib.closing(sqlite3.connect(deployment.airflow.home / "airflow.db", timeout=1)) as database:
            try:
                database.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                scheduler.resume()
                return False
        return True

    def made() -> bool:
        answer = deployment.rest.http.post("backfills", json=body, timeout=120)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return False
        answer.raise_for_status()
        return True

    try:
        wait_until("a scheduler that is not writing", held_between_writes)
        wait_until("a backfill", made)
    finally:
        scheduler.resume()


def drop(deployment: Deployment, name: str, source: Path) -> Path:
    folder = deployment.folders.drop / name
    shutil.copytree(source, folder)
    (folder / "READY").touch()
    return folder


def test_a_folder_drop_is_ingested_and_a_bad_one_moved_aside(
    deployment: Deployment, on_new_data: tuple[FinishedRun, FinishedRun], fewer_digits: Path, tmp_path: Path
) -> None:
    bad = shutil.copytree(fewer_digits, tmp_path / "bad")
    os.truncate(bad / "train-images-idx3-ubyte", 1000)
    known = {run["dag_run_id"] for run in deployment.runs(PIPELINE_NAME, "asset_triggered")}
    deployment.rest.unpause(INGEST)
    try:
        wait_until("a task that waits", lambda: waiting(deployment))
        drop(deployment, "bad", bad)
        [refused] = wait_until("a refused drop", lambda: list(deployment.folders.drop.glob("refused/*")))
        assert "train-images-idx3-ubyte" in (refused / "reason.txt").read_text()
        [told] = wait_until("its finding", lambda: [text for text in deployment.watched() if text.startswith(INGEST)])
        assert " refused a drop: " in told and "train-images-idx3-ubyte" in told
        drop(deployment, "good", fewer_digits)
        [ingested] = wait_until("an ingested drop", lambda: list(deployment.folders.drop.glob("ingested/*")))
        assert ingested.name.endswith("-good")
        started = wait_until(
            "a run on it",
            lambda: [
                run["dag_run_id"]
                for run in deployment.runs(PIPELINE_NAME, "asset_triggered")
                if run["dag_run_id"] not in known
            ],
        )
        ends = ["failed", "success"]
        wait_until(f"{ends}", lambda: [run["state"] for run in deployment.runs(INGEST, "scheduled")][:2] == ends)
    finally:
        deployment.rest.http.patch(f"dags/{INGEST}", json={"is_paused": True}).raise_for_status()
    assert nothing_new(deployment.finished(PIPELINE_NAME, started[0]))
    assert deployment.asset_events(DATA_ASSET)[-1] == read(deployment.folders.data, 2).event()


def waiting(deployment: Deployment) -> bool:
    runs = deployment.runs(INGEST, "scheduled")
    return any(
        task.state == "deferred" for run in runs for task in deployment.rest.tasks(INGEST, str(run["dag_run_id"]))
    )


def test_a_run_past_its_deadline_is_late(deployment: Deployment) -> None:
    deployment.rest.unpause("late")
    run_id = deployment.rest.trigger("late").dag_run_id
    url = f"{deployment.airflow.url}/ui/dags/late/dagRuns/{run_id}/deadlines"

    def missed() -> bool:
        deadlines = deployment.rest.http.get(url).raise_for_status().json()["deadlines"]
        return bool(deadlines) and all(deadline["missed"] for deadline in deadlines)

    wait_until("a missed deadline", missed)
