"""dags/ as Airflow's DAG processor reads it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow._shared.timezones import timezone
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset, AssetOrTimeSchedule, DeadlineReference
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables import trigger
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.utils.types import DagRunType

from models.mnist.on_device import MODEL
from nightlite.deployment import dag_check
from nightlite.deployment.models import names
from nightlite.ondevice.in_airflow.nightly import nightly_dag
from nightlite.ondevice.in_airflow.schedule import as_of
from nightlite.ondevice.run_parameters import declaration
from nightlite.ondevice.settings import enabled_variable
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import HOW_TO_COMPILE
from nightlite.runner.in_airflow.config import NodeSettings
from nightlite.runner.in_airflow.operators import TfxNodeOperator
from nightlite.settings import forget_settings

DAGS = PROJECT / "dags"
OTHERS = {"mnist_consumer", "mnist_ingest"}
DATA = Asset("mnist_data")
NEW_YEAR = datetime(2026, 1, 1, 2, tzinfo=UTC)


@pytest.fixture
def compiled_file(compiled, tmp_path) -> Path:
    file = tmp_path / f"{MODEL.pipeline_name}.json"
    compiled.write(file)
    return file


@pytest.fixture
def read_dags(monkeypatch, compiled_file):
    """Read dags/ with this compiled file and these settings, and without other models' DAGs."""
    for name in set(names()) - {MODEL.name}:
        monkeypatch.setenv(enabled_variable(name), "false")

    def read(**variables) -> DagBag:
        for name, value in {"compiled_dir": str(compiled_file.parent), **variables}.items():
            monkeypatch.setenv(f"NIGHTLITE_{name.upper()}", value)
        monkeypatch.setenv("AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS", "False")
        forget_settings()
        return DagBag(str(DAGS))

    yield read
    forget_settings()


def test_the_dag_is_as_the_settings_say(read_dags):
    bag = read_dags(mnist_schedule="30 3 * * *", timezone="Europe/Paris")
    assert bag.import_errors == {}
    assert set(bag.dags) == {"diamond", *OTHERS}
    dag = bag.dags["diamond"]
    assert by_time_and_assets(dag) == ("30 3 * * *", "Europe/Paris", [DATA])
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert dag.description and dag.tags and dag.doc_md and {task.owner for task in dag.tasks} == {"nightlite"}


def test_a_node_may_have_a_queue_and_keeps_the_rest(read_dags):
    read_dags()
    settings = {"Trainer*": NodeSettings(queue="gpu"), "Pusher*": NodeSettings(pool="pushes")}
    dag = nightly_dag(MODEL, "", settings)
    plain = nightly_dag(MODEL, "")
    trainers = {task_id for task_id in dag.task_ids if task_id.startswith("Trainer")}
    assert {task.task_id for task in dag.tasks if task.queue == "gpu"} == trainers != set()
    [pusher] = (task for task in dag.tasks if task.task_id.startswith("Pusher"))
    assert pusher.pool == "pushes"
    assert pusher.outlets == plain.get_task(pusher.task_id).outlets != []
    assert pusher.retries == plain.get_task(pusher.task_id).retries


def by_time_and_assets(dag):
    """Return expression, time zone and assets of a DAG's schedule, of which it takes any one."""
    assert isinstance(dag.schedule, AssetOrTimeSchedule)
    by_time, assets = dag.schedule.timetable, list(dag.schedule.asset_condition.objects)
    return by_time.expression, by_time.timezone, assets


def test_by_default_it_is_nightly_and_on_new_data(read_dags):
    nightly = read_dags().dags["diamond"]
    assert by_time_and_assets(nightly) == ("0 2 * * *", "UTC", [DATA])
    assert nightly.start_date is None  # a run of a date before it has no tasks, and is a success
    # With a backfill's dates, which only a DAG with a schedule by time has.
    serialized = DagSerialization.from_dict(DagSerialization.to_dict(nightly))
    assert serialized.timetable.periodic and serialized.timetable.summary == "Asset or 0 2 * * *"


@pytest.mark.parametrize(
    ("at_once", "now", "first_day"),
    [
        *((True, now, 7) for now in ("02:00:01", "04:20", "13:00", "23:59")),
        # Else Airflow does so for a tenth of the time between two.
        *((False, now, 7) for now in ("02:00:01", "02:05", "04:20")),
        *((False, now, 8) for now in ("04:30", "13:00", "23:59")),
    ],
)
def test_a_new_deployment_makes_up_for_last_night_if_it_is_told_to(read_dags, monkeypatch, at_once, now, first_day):
    monkeypatch.setenv("AIRFLOW__NIGHTLY__FIRST_RUN_AT_ONCE", str(at_once))
    dag = read_dags().dags["diamond"]
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    monkeypatch.setattr(trigger, "utcnow", lambda: timezone.parse(f"2026-11-07T{now}Z"))

    def next_date(last):
        interval = last and DataInterval.exact(timezone.parse(last))
        restriction = TimeRestriction(earliest=None, latest=None, catchup=False)
        return timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction).run_after

    assert next_date(None).day == first_day
    assert next_date("2026-11-07T02:00:00Z").day == 8


@pytest.mark.parametrize(
    ("schedule", "on_new_data", "expected"),
    [("", "True", [DATA]), ("", "False", None), ("@daily", "False", "0 0 * * *")],
)
def test_either_can_be_switched_off(read_dags, schedule, on_new_data, expected):
    found = read_dags(mnist_schedule=schedule, mnist_run_on_new_data=on_new_data).dags["diamond"].schedule
    assert getattr(found, "expression", found) == expected


def nodes_of(dag):
    return [task for task in dag.tasks if isinstance(task, TfxNodeOperator)]


def test_a_stuck_node_times_out_a_failed_one_is_tried_again_and_a_late_run_is_told_of(read_dags):
    dag = read_dags().dags["diamond"]
    limits = {(task.retries, task.execution_timeout, task.retry_delay.total_seconds()) for task in nodes_of(dag)}
    assert limits == {(2, timedelta(hours=2), 30)}
    assert dag.deadline is None
    dag = read_dags(node_retries="0", node_timeout_minutes="0.5", mnist_deadline_minutes="90").dags["diamond"]
    assert {(task.retries, task.execution_timeout.total_seconds()) for task in nodes_of(dag)} == {(0, 30)}
    [alert] = dag.deadline
    assert (alert.reference, alert.interval) == (DeadlineReference.DAGRUN_QUEUED_AT, timedelta(minutes=90))


@pytest.mark.parametrize(
    ("run_type", "date", "expected"),
    [
        ("backfill", NEW_YEAR, "2026-01-01T02:00:00+00:00"),
        ("manual", NEW_YEAR, ""),  # what the trigger form fills in is the browser's time
        ("manual", None, ""),
        ("asset_triggered", None, ""),
        ("scheduled", NEW_YEAR, ""),
    ],
)
def test_the_date_whose_data_a_run_reads(run_type, date, expected):
    run = SimpleNamespace(run_type=DagRunType(run_type), logical_date=date)
    assert as_of({"dag_run": run}) == expected


def test_a_push_updates_the_asset_that_the_consumer_waits_for(read_dags):
    dags = read_dags().dags
    outlets = {task.task_id: task.outlets for task in dags["diamond"].tasks}
    assert outlets.pop("Pusher") == [Asset("mnist_releases")]
    assert not any(outlets.values())
    assert dags["mnist_consumer"].schedule == [Asset("mnist_releases")]
    ingesting = dags["mnist_ingest"]
    assert [task.outlets for task in ingesting.tasks if task.outlets] == [[DATA]] and ingesting.is_paused_upon_creation
    assert dags["mnist_consumer"].task_dict["try_out"].upstream_task_ids == {"verify"}


def test_a_model_that_is_switched_off_has_no_dag_and_no_error(read_dags):
    bag = read_dags(mnist_enabled="false")
    assert (bag.dags, bag.import_errors) == ({}, {})


def test_the_environment_sets_a_run_parameters_default(read_dags):
    assert read_dags(mnist_epochs="9").dags["diamond"].params["epochs"] == 9
    (error,) = read_dags(mnist_epochs="0").import_errors.values()
    assert error.startswith("NIGHTLITE_MNIST_EPOCHS: ") and "Received: '0'" in error


def test_a_notify_variable_that_is_wrong_keeps_no_run_from_its_schedule(read_dags):
    assert "Notice" not in read_dags().dags["diamond"].task_ids
    bag = read_dags(notify_urls="abc")
    assert bag.import_errors == {}
    # Which says, at the end of each run, what is wrong.
    assert "Notice" in bag.dags["diamond"].task_ids


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no compiled pipeline"), ("damaged", "its first line has no digest")]
)
def test_an_unusable_file_is_one_sentence_that_says_what_to_run(read_dags, compiled_file, content, reason):
    """Each kind of damage: tests/runner/test_compiled_pipeline.py."""
    compiled_file.unlink()
    if content:
        compiled_file.write_text(content)
    bag = read_dags()
    (error,) = bag.import_errors.values()
    assert set(bag.dags) == {"mnist_consumer"}
    assert reason in error and str(compiled_file) in error and error.endswith(HOW_TO_COMPILE)
    assert "\n" not in error


def test_an_edit_of_the_declaration_waits_for_no_run_but_asks_for_a_compile(read_dags, compiled, compiled_file):
    def errors() -> list[str]:
        return list(read_dags().import_errors.values())

    compiled.model_copy(update={"declaration": declaration(MODEL)}).write(compiled_file)
    assert errors() == []
    edited = MODEL.model_copy(update={"gate_bounds": {"min_accuracy": 0.5}})
    compiled.model_copy(update={"declaration": declaration(edited)}).write(compiled_file)
    (error,) = errors()
    assert error.startswith("diamond: expected a pipeline compiled from the model's declaration")
    assert error.endswith(HOW_TO_COMPILE) and "\n" not in error
    # The tasks of a run that has begun.
    with _airflow_parsing_context_manager(dag_id="diamond", task_id="ExampleGen"):
        assert errors() == []


def test_a_schedule_that_is_none(read_dags):
    (error,) = read_dags(mnist_schedule="every night").import_errors.values()
    assert error.startswith("NIGHTLITE_MNIST_SCHEDULE: expected a cron expression") and "'every night'" in error


def test_the_check_before_a_start_tells_what_airflow_would_and_waits_for_no_first_compile(
    read_dags, compiled_file, tmp_path
):
    compiled_file.unlink()

    def checked(**variables) -> dict[str, str]:
        read_dags(**variables)
        dag_check.main(DAGS, tmp_path / "errors", migrate=False)
        return json.loads((tmp_path / "errors").read_text())

    (error,) = checked(mnist_schedule="99 2 * * *").values()
    assert error.startswith("NIGHTLITE_MNIST_SCHEDULE: expected a cron expression")
    assert checked(mnist_schedule="@daily") == {}  # though there is no compiled pipeline yet
    compiled_file.write_text("damaged")
    assert list(checked()) == [str(DAGS / "mnist.py")]


def test_parsing_imports_little(compiled_file, tmp_path):
    """The count of modules, which does not depend on the machine, stands for the 0.3 s that parsing may take.

    Ours are small and counted apart. Without those of Airflow's SDK that any DAG has: Airflow 3.3 imports them with
    `airflow`, 3.4 when they are used.
    """
    sdk = "from airflow.sdk import DAG, Asset, BaseNotifier, BaseOperator, Param, TaskGroup, get_current_context, task"
    code = (
        f"import airflow, sys, runpy; {sdk}; before = set(sys.modules);"
        f"runpy.run_path({str(DAGS / 'mnist.py')!r}); "
        "found = set(sys.modules) - before;"
        "ours = {name for name in found if name.startswith(('nightlite', 'models'))};"
        "print(len(found - ours), len(ours), 'apprise' in sys.modules)"
    )
    env = {"PYTHONPATH": str(PROJECT), "NIGHTLITE_NOTIFY_URLS": "slack://a/b/c"}
    env |= {"NIGHTLITE_COMPILED_DIR": str(compiled_file.parent), "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    others, ours, sends = done.stdout.split()[-3:]
    # Two DAGs: the one that watches the drop folder adds one module of others' and two of ours.
    assert int(others) < 65 and int(ours) < 71 and sends == "False", done.stdout
