"""The watchdog's findings in an Airflow that answers as a test says, and the notice of them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import AirflowFailException
from pydantic import SecretStr

from models.mnist.on_device import MODEL
from nightlite.deployment.client.access import Access
from nightlite.deployment.in_airflow.watchdog import dag as watchdog
from nightlite.deployment.in_airflow.watchdog import login as watchdog_login
from nightlite.deployment.in_airflow.watchdog import watched_airflow
from nightlite.deployment.in_airflow.watchdog.findings import INGEST, PIPELINE, RELEASES, look
from nightlite.deployment.in_airflow.watchdog.watched_airflow import WatchedAirflow
from nightlite.ondevice.in_airflow.ingest_dag import ingest_dag
from nightlite.paths import PROJECT
from tests.receivers import Hook, http_server

NOW = datetime(2026, 3, 10, 7, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)
ACCESS = Access(url="http://airflow", token=SecretStr("x"))
BROKEN = {
    "import_error_id": 1,
    "filename": "tulips.py",
    "bundle_name": "dags",
    "timestamp": NOW.isoformat(),
    "stack_trace": "Traceback\nSettingsError: NIGHTLITE_PORT: expected a whole number. Received: 'x'\n",
}


class FakeAirflow:
    """An Airflow with one model, `tulips`, whose nights go well until a test changes what it answers."""

    def __init__(self) -> None:
        self.dags = {"tulips_tflite": dag_of("tulips_tflite"), "tulips_ingest": dag_of("tulips_ingest")}
        self.dags["tulips_ingest"]["next_dagrun_run_after"] = None
        self.import_errors: list[dict[str, Any]] = []
        self.runs: dict[str, list[dict[str, Any]]] = {"tulips_tflite": [], "tulips_ingest": []}
        self.events: list[dict[str, Any]] | None = [event(NOW - timedelta(hours=5))]
        self.tasks: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.forbidden = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.forbidden:
            return httpx.Response(403, json={"detail": "Forbidden"})
        path, query = request.url.path.removeprefix("/api/v2/"), request.url.params
        match path.split("/"):
            case ["dags"]:
                assert (query["tags"], query["exclude_stale"]) == ("tflite", "false")
                return found(dags=list(self.dags.values()))
            case ["importErrors"]:
                return found(import_errors=self.import_errors)
            case ["assets"]:
                return found(assets=[{"id": 3, "name": "tulips_releases"}])
            case ["assets", "events"]:
                return httpx.Response(500) if self.events is None else found(asset_events=self.events)
            case ["dags", dag_id, "dagRuns"]:
                return found(dag_runs=self.runs_like(dag_id, query))
            case ["dags", _, "dagRuns", _, "taskInstances"]:
                return found(task_instances=self.tasks)
            case ["dags", _, "dagRuns", _, "taskInstances", _, "logs", _]:
                return found(content=self.log)
        raise AssertionError(path)

    def runs_like(self, dag_id: str, query: httpx.QueryParams) -> list[dict[str, Any]]:
        wanted = query.get_list("state")
        return [
            run
            for run in self.runs[dag_id]
            if (not wanted or run["state"] in wanted) and run["end_date"] >= query.get("end_date_gte", "")
        ]

    def findings(self, nights: int = 7, since: datetime = YESTERDAY) -> list[str]:
        with WatchedAirflow(ACCESS, httpx.MockTransport(self)) as airflow:
            return [f"{one.about} {one.text}" for one in look(airflow, NOW, since, nights)]


def found(**answer: Any) -> httpx.Response:
    return httpx.Response(200, json=answer)


def dag_of(dag_id: str) -> dict[str, Any]:
    return {
        "dag_id": dag_id,
        "is_paused": False,
        "is_stale": False,
        "has_import_errors": False,
        "last_parsed_time": (NOW - timedelta(minutes=1)).isoformat(),
        "timetable_summary": "Asset or 0 2 * * *",
        "next_dagrun_run_after": (NOW + timedelta(hours=19)).isoformat(),
        "file_token": "x",
        "relative_fileloc": "tulips.py",
    }


def event(moment: datetime, **extra: Any) -> dict[str, Any]:
    return {"timestamp": moment.isoformat(), "extra": extra or {"version": 4}}


def run_of(name: str, state: str, ended: datetime, note: str | None = None) -> dict[str, Any]:
    return {
        "dag_run_id": name,
        "state": state,
        "end_date": ended.isoformat(),
        "run_after": ended.isoformat(),
        "note": note,
    }


@pytest.fixture
def airflow() -> FakeAirflow:
    return FakeAirflow()


def test_nights_that_go_well_are_no_finding(airflow: FakeAirflow) -> None:
    assert airflow.findings() == []


def test_a_file_that_cannot_be_imported_is_found_once_even_where_airflow_calls_its_dags_stale(
    airflow: FakeAirflow,
) -> None:
    airflow.import_errors = [BROKEN]
    for dag in airflow.dags.values():
        dag.update(
            has_import_errors=True,
            is_stale=True,
            last_parsed_time="2026-03-09T20:15:00Z",
            next_dagrun_run_after="2026-03-10T02:00:00Z",
        )
    assert airflow.findings() == [
        "tulips_tflite, tulips_ingest runs no longer, last parsed at 2026-03-09 20:15 UTC: tulips.py: "
        "SettingsError: NIGHTLITE_PORT: expected a whole number. Received: 'x'"
    ]


def test_a_file_that_never_was_imported_is_found_by_its_name(airflow: FakeAirflow) -> None:
    airflow.import_errors = [{**BROKEN, "filename": "roses.py"}]
    [finding] = airflow.findings()
    assert finding.startswith("roses.py runs no longer: SettingsError: ")


def test_a_model_that_was_taken_away_is_no_finding(airflow: FakeAirflow) -> None:
    airflow.dags["tulips_tflite"].update(is_stale=True, next_dagrun_run_after="2026-03-01T02:00:00Z")
    assert airflow.findings() == []


def test_a_dag_that_is_parsed_no_longer_is_found(airflow: FakeAirflow) -> None:
    airflow.dags["tulips_ingest"]["last_parsed_time"] = "2026-03-10T05:00:00Z"
    assert airflow.findings() == [
        "tulips_ingest was last parsed at 2026-03-10 05:00 UTC: is Airflow's DAG processor running?"
    ]


def test_a_night_without_a_run_is_found_with_the_run_that_is_in_its_way(airflow: FakeAirflow) -> None:
    airflow.dags["tulips_tflite"]["next_dagrun_run_after"] = "2026-03-10T02:00:00Z"
    due = "tulips_tflite has had no run since one was due at 2026-03-10 02:00 UTC: "
    assert airflow.findings() == [f"{due}Airflow made none"]
    airflow.runs["tulips_tflite"] = [run_of("stuck", "running", NOW)]
    assert airflow.findings() == [f"{due}run stuck is still running"]


def test_a_drop_folder_that_waits_for_days_is_no_finding(airflow: FakeAirflow) -> None:
    airflow.dags["tulips_ingest"]["next_dagrun_run_after"] = "2026-03-01T02:00:00Z"
    airflow.runs["tulips_ingest"] = [run_of("waits", "running", NOW)]
    assert airflow.findings() == []


def test_a_models_dags_have_the_names_and_the_tag_that_it_looks_for() -> None:
    ingest = ingest_dag(MODEL)
    assert ingest and ingest.dag_id == f"{MODEL.name}{INGEST}" and watched_airflow.TAG in ingest.tags
    assert (MODEL.pipeline_name, MODEL.releases_asset) == (f"{MODEL.name}{PIPELINE}", f"{MODEL.name}{RELEASES}")


def test_a_run_that_is_about_to_start_is_no_finding(airflow: FakeAirflow) -> None:
    airflow.dags["tulips_tflite"]["next_dagrun_run_after"] = "2026-03-10T06:30:00Z"
    assert airflow.findings() == []


def test_a_paused_dag_is_no_finding(airflow: FakeAirflow) -> None:
    airflow.dags["tulips_tflite"].update(is_paused=True, next_dagrun_run_after="2026-03-01T02:00:00Z")
    assert airflow.findings() == []


@pytest.mark.parametrize(("days", "told"), [(6, False), (7, True), (8, False), (14, True)])
def test_nights_without_a_release_are_found_at_each_multiple(airflow: FakeAirflow, days: int, told: bool) -> None:
    """A note is no release."""
    released = NOW - timedelta(days=days, hours=4)
    airflow.events = [event(YESTERDAY, note="by hand"), event(released)]
    airflow.runs["tulips_tflite"] = [
        run_of("b", "success", YESTERDAY, "refused by 1 gate"),
        run_of("a", "success", NOW - timedelta(days=2), "no better"),
        run_of("before", "success", released - timedelta(hours=1)),
        run_of("red", "failed", NOW - timedelta(days=3)),
    ]
    sentence = (
        f"tulips_tflite has made no release for {days} nights, although 2 runs ended well. "
        "The newest says: refused by 1 gate"
    )
    assert airflow.findings() == ([sentence] if told else [])
    assert airflow.findings(nights=0) == []


def test_nights_without_a_release_are_found_at_the_first_look_after_a_multiple_and_once(airflow: FakeAirflow) -> None:
    airflow.events = [event(NOW - timedelta(days=8, seconds=1))]
    airflow.runs["tulips_tflite"] = [run_of("green", "success", YESTERDAY)]
    assert airflow.findings() == []
    [finding] = airflow.findings(since=NOW - timedelta(days=1, seconds=2))
    assert "no release for 8 nights" in finding
    assert airflow.findings(since=NOW - timedelta(hours=1)) == []


def test_a_model_that_never_had_a_release_counts_from_its_first_run(airflow: FakeAirflow) -> None:
    airflow.events = []
    airflow.runs["tulips_tflite"] = [run_of("first", "success", NOW - timedelta(days=7, hours=1))]
    [finding] = airflow.findings()
    assert "no release for 7 nights, although 1 run ended well. The newest says: nothing" in finding


def test_failed_nights_and_events_that_airflow_cannot_list_are_no_finding(airflow: FakeAirflow) -> None:
    airflow.events = [event(NOW - timedelta(days=7))]
    airflow.runs["tulips_tflite"] = [run_of("red", "failed", YESTERDAY)]
    assert airflow.findings() == []
    airflow.runs["tulips_tflite"] = [run_of("green", "success", YESTERDAY)]
    assert len(airflow.findings()) == 1
    airflow.events = None
    assert airflow.findings() == []


def test_a_drop_refused_since_the_last_look_is_found_with_its_reason(airflow: FakeAirflow) -> None:
    airflow.runs["tulips_ingest"] = [
        run_of("new", "failed", NOW - timedelta(hours=3)),
        run_of("old", "failed", YESTERDAY - timedelta(hours=3)),
    ]
    task = {"task_id": "ingest", "state": "failed", "start_date": None, "duration": 1, "try_number": 1}
    airflow.tasks = [task]
    raised = {"exc_type": "AirflowFailException", "exc_value": "no label 7. It was moved to refused"}
    airflow.log = [{"event": "Task failed with exception", "error_detail": [raised]}, {"event": "Task finished"}]
    assert airflow.findings() == ["tulips_ingest refused a drop: no label 7. It was moved to refused"]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with http_server() as server:
        monkeypatch.setenv("NIGHTLITE_NOTIFY_WEBHOOK", server.url)
        yield server


@pytest.fixture
def watch(airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """Run the watchdog's task at the fake Airflow."""
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    monkeypatch.setattr(watchdog_login, "login", lambda: ACCESS)
    monkeypatch.setattr(
        watched_airflow, "WatchedAirflow", lambda access: WatchedAirflow(access, httpx.MockTransport(airflow))
    )
    monkeypatch.setattr(watchdog, "datetime", SimpleNamespace(now=lambda zone: NOW))

    def run() -> list[str]:
        task = watchdog.watchdog_dag("").get_task("Look")
        return task.execute({"run_id": "night", "prev_start_date_success": None})

    return run


def bodies(hook: Hook) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in hook.posts]


def test_all_findings_of_a_night_are_one_notice(
    airflow: FakeAirflow, hook: Hook, watch: Callable[[], list[str]]
) -> None:
    assert watch() == [] and hook.posts == []
    airflow.dags["tulips_tflite"]["next_dagrun_run_after"] = "2026-03-10T02:00:00Z"
    airflow.dags["tulips_ingest"]["last_parsed_time"] = "2026-03-10T05:00:00Z"
    assert len(watch()) == 2
    [notice] = bodies(hook)
    assert (notice["event"], notice["pipeline"], notice["run_id"]) == ("silent", "watchdog", "night")
    assert notice["headline"] == "look at tulips_tflite, tulips_ingest"
    assert [reason["url"].rpartition("/")[2] for reason in notice["reasons"]] == ["tulips_tflite", "tulips_ingest"]
    airflow.dags["tulips_tflite"]["last_parsed_time"] = airflow.dags["tulips_ingest"]["last_parsed_time"]
    airflow.import_errors = [{**BROKEN, "filename": "tulips_ingest"}]
    watch()
    assert bodies(hook)[1]["headline"] == "look at tulips_ingest, tulips_tflite"


def test_a_feed_is_watched_also_where_airflow_cannot_be_asked(
    airflow: FakeAirflow, hook: Hook, watch: Callable[[], list[str]], tmp_path: Path
) -> None:
    channel = tmp_path / "feed" / "tulips" / "stable"
    channel.mkdir(parents=True)
    (channel / "latest.json").write_text("{")
    [finding] = watch()
    assert finding.startswith("tulips_feed has a document that no phone can read")
    airflow.forbidden = True
    with pytest.raises(AirflowFailException, match="could not look"):
        watch()
    assert bodies(hook)[1]["headline"] == "look at tulips_feed, watchdog"


def test_it_heeds_no_setting_but_its_own(
    airflow: FakeAirflow, hook: Hook, watch: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NOTIFY_ON", "PORT", "TIMEZONE", "NODE_RETRIES", "URL", "WATCHDOG_HOUR"):
        monkeypatch.setenv(f"NIGHTLITE_{name}", "out of order")
    airflow.import_errors = [BROKEN]
    [own, found] = watch()
    assert own.startswith("watchdog takes its defaults: NIGHTLITE_WATCHDOG_HOUR: expected a whole number")
    assert found.startswith("tulips.py runs no longer")
    assert len(bodies(hook)) == 1


def test_a_watchdog_that_cannot_look_says_so_and_fails(
    airflow: FakeAirflow, hook: Hook, watch: Callable[[], list[str]]
) -> None:
    airflow.forbidden = True
    with pytest.raises(AirflowFailException, match="could not look: Airflow refused GET /api/v2/dags"):
        watch()
    assert "Forbidden" in bodies(hook)[0]["headline"]


def test_an_answer_in_another_form_is_told_too(
    airflow: FakeAirflow, hook: Hook, watch: Callable[[], list[str]]
) -> None:
    del airflow.dags["tulips_tflite"]["is_paused"]
    with pytest.raises(AirflowFailException, match="could not look: 1 validation error for Dag is_paused"):
        watch()
    assert "could not look" in bodies(hook)[0]["headline"]


def test_a_recipient_that_does_not_answer_fails_the_run_so_that_the_next_looks_back_further(
    airflow: FakeAirflow, hook: Hook, watch: Callable[[], list[str]]
) -> None:
    airflow.import_errors, hook.status = [BROKEN], 503
    with pytest.raises(AirflowFailException, match="not notified: webhook"):
        watch()


BLINDED = """
import importlib, json, os, sys
from importlib.abc import MetaPathFinder

class NoModels(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "models":
            raise ImportError("a declaration is broken")

sys.meta_path.insert(0, NoModels())
import dags.watchdog
for variables in json.loads(sys.argv[1]):
    os.environ.update(variables)
    dag = importlib.reload(dags.watchdog).dag
    print(dag and dag.schedule.expression)
"""


@pytest.mark.usefixtures("airflow_home")
def test_its_file_is_parsed_whatever_is_broken_beside_it() -> None:
    """It is a DAG only where a recipient is named, and imports no model."""
    webhook, hour = "NIGHTLITE_NOTIFY_WEBHOOK", "NIGHTLITE_WATCHDOG_HOUR"
    cases = {json.dumps({}): "None", json.dumps({webhook: "http://a/b"}): "0 7 * * *"}
    cases |= {json.dumps({hour: "22"}): "0 22 * * *", json.dumps({webhook: "gopher", hour: "25"}): "0 7 * * *"}
    broken = {f"NIGHTLITE_{name}": "out of order" for name in ("PORT", "TIMEZONE", "NODE_RETRIES", "MNIST_SCHEDULE")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTLITE")}
    done = subprocess.run(
        [sys.executable, "-c", BLINDED, f"[{', '.join(cases)}]"],
        cwd=PROJECT,
        env=kept | broken,
        check=False,
        text=True,
        capture_output=True,
    )
    assert done.stdout.splitlines() == list(cases.values()), done.stderr


def test_it_logs_in_as_the_connection_says_at_the_address_of_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "some.where.FabAuthManager")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://api-server:8080/execution/")
    monkeypatch.setenv(f"AIRFLOW_CONN_{watchdog_login.CONNECTION.upper()}", "http://looker:secret@")
    access = watchdog_login.login()
    assert (access.url, access.user, access.password.get_secret_value()) == (
        "http://api-server:8080",
        "looker",
        "secret",
    )


def test_it_logs_in_as_a_user_of_the_local_airflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "some.where.SimpleAuthManager")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:8080/execution/")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(file))
    with pytest.raises(Exception, match="expected a file of passwords of SimpleAuthManager. Received: "):
        watchdog_login.login()
    file.write_text('{"admin": "secret"}')
    access = watchdog_login.login()
    assert (access.url, access.user) == ("http://127.0.0.1:8080", "admin")
