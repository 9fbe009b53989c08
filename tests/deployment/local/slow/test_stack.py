"""`make up` and `make down`, and what the demo does between them, on a real Airflow."""

import contextlib
import functools
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.client import runs
from nightlite.deployment.client.answers import DagRun
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.client.watch import RunView
from nightlite.deployment.local import components as stack_start
from nightlite.deployment.local import demo, processes, stack, start_run
from nightlite.deployment.local.airflow_config import USER, LocalAirflow
from nightlite.deployment.local.components import airflow_environment, healthy_components, read_stack
from nightlite.deployment.settings import Settings
from nightlite.errors import StackError
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.run_summary import ModelMetrics, RunSummary
from nightlite.ondevice.run_parameters import declaration
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from tests.names import PIPELINE_NAME
from tests.real_airflow import (
    environment,
    free_port,
    logged_in,
    plain_console,
    running_airflow,
    wait_for_process,
)
from tests.waiting import wait_until

NODES_DAG = Path(__file__).with_name("nodes_dag.py")
# Stands in for the TFX environment's Python: ingest and compile do nothing but say which span they are about.
TFX_PYTHON = """#!/bin/sh
echo '{"span": 1, "said": "span-1 holds it"}'
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("deployment")
    tfx_python = folder / "tfx-python"
    tfx_python.write_text(TFX_PYTHON)
    tfx_python.chmod(0o755)
    settings = Settings(var_dir=folder / "var", tfx_python=tfx_python, port=free_port())
    nodes = (Node(id="first", type="x"), Node(id="second", type="x", upstream=("first",)))
    CompiledPipeline(tfx_version="1.21.0", name="x", nodes=nodes, ir={}).write(settings.compiled_file(MODEL))
    return settings


@pytest.fixture(scope="module")
def airflow(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(NODES_DAG, dags)
    (dags / "mode").write_text("ok")
    with running_airflow(settings, dags) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def rest(airflow: LocalAirflow) -> Iterator[AirflowRest]:
    with logged_in(airflow) as rest:
        yield rest


def watched(rest: AirflowRest, run_id: str) -> tuple[DagRun, RunView, str]:
    console, text = plain_console()
    view = RunView(rest, PIPELINE_NAME, run_id, ["second", "first"])
    return view.watch(console), view, text.getvalue()


def test_a_run_is_triggered_and_shown_to_its_end(airflow: LocalAirflow, rest: AirflowRest) -> None:
    console, said = plain_console()
    start_run.switch_on(rest, PIPELINE_NAME, console)
    run, view, lines = watched(rest, rest.trigger(PIPELINE_NAME).dag_run_id)
    assert run.state == "success"
    assert "no longer is" in said.getvalue()
    assert "first: cached" in lines and "same inputs as run x" in lines
    assert "second: skipped" in lines and "not blessed" in lines
    assert [task.task_id for task in view.tasks] == ["second", "first"]
    assert rest.active_run(PIPELINE_NAME) is None


FLOWERS = MODEL.model_copy(update={"name": "flowers"})
FLOWERS_DAGS = """
from models.mnist.on_device import MODEL
from nightlite.ondevice.in_airflow.ingest_dag import ingest_dag
from nightlite.ondevice.in_airflow.nightly import nightly_dag

FLOWERS = MODEL.model_copy(update={"name": "flowers"})
nightly, ingest = nightly_dag(FLOWERS, "a second model, in airflow"), ingest_dag(FLOWERS)
"""


def dags_of(rest: AirflowRest, name: str) -> list[str]:
    """Return the DAGs that the UI lists of a model."""
    listed = rest.http.get("dags", params={"dag_id_pattern": name}).raise_for_status().json()["dags"]
    return sorted(dag["dag_id"] for dag in listed)


def test_a_model_is_added_to_a_running_airflow_and_removed_and_its_history_comes_back_with_it(
    airflow: LocalAirflow, rest: AirflowRest, settings: Settings
) -> None:
    file, own = airflow.dags_folder / "flowers.py", [f"{FLOWERS.name}_ingest", FLOWERS.pipeline_name]
    nodes = (Node(id=FLOWERS.trainer, type="x.Trainer"), Node(id=FLOWERS.pusher, type="x.Pusher"))
    compiled = CompiledPipeline(
        tfx_version="1.21.0", name=FLOWERS.pipeline_name, nodes=nodes, ir={}, declaration=declaration(FLOWERS)
    )
    compiled.write(settings.compiled_file(FLOWERS))
    release = settings.folders(FLOWERS.name).releases / "1"
    release.mkdir(parents=True)

    def require_unharmed() -> None:
        run, _, _ = watched(rest, rest.trigger(PIPELINE_NAME).dag_run_id)
        assert run.state == "success" and rest.import_errors() == []

    assert dags_of(rest, FLOWERS.name) == []
    file.write_text(FLOWERS_DAGS)
    wait_until("the new model's DAGs", lambda: dags_of(rest, FLOWERS.name) == own, seconds=300)
    run_id = rest.trigger(FLOWERS.pipeline_name).dag_run_id  # the DAG is paused: it waits
    require_unharmed()
    file.unlink()
    wait_until("their end", lambda: dags_of(rest, FLOWERS.name) == [], seconds=300)
    require_unharmed()
    assert release.is_dir() and settings.compiled_file(FLOWERS).exists()
    file.write_text(FLOWERS_DAGS)
    wait_until("their return", lambda: dags_of(rest, FLOWERS.name) == own, seconds=300)
    assert [run.dag_run_id for run in rest.runs(FLOWERS.pipeline_name, 10)] == [run_id]
    rest.http.delete(f"dags/{FLOWERS.pipeline_name}/dagRuns/{run_id}").raise_for_status()
    file.unlink()


def test_a_failed_run_shows_the_nodes_own_error(airflow: LocalAirflow, rest: AirflowRest) -> None:
    run, view, _ = watched(rest, rest.trigger(PIPELINE_NAME, {"mode": "fail"}).dag_run_id)
    console, text = plain_console()
    demo.print_failures(view, console)
    assert run.state == "failed"
    assert "ValueError: the node's own error" in text.getvalue()


def test_the_demo_says_what_came_out_and_why_it_ships_nothing(
    airflow: LocalAirflow, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = RunSummary(
        keras=ModelMetrics(accuracy=0.991, bytes=206284),
        tflite=ModelMetrics(accuracy=0.99, bytes=56584),
        blessed=True,
        blessed_why="accuracy against 0.97",
        pushed_why="not pushed: ann rolled back",
        outcome=Outcome.rolled_back,
    )
    monkeypatch.setattr(demo, "summarize", lambda *_: summary)
    assert demo.demo(settings, MODEL) == Outcome.rolled_back.exit_code
    out = capsys.readouterr().out
    said = "Blessed: accuracy against 0.97\nRelease: not pushed: ann rolled back\n"
    for text in ("99.10 %", "99.00 %", "56,584 bytes", said, airflow.url, "make down"):
        assert text in out


def test_the_demo_takes_the_dag_as_it_is_now_and_fails_with_its_run(
    airflow: LocalAirflow, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    mode = airflow.dags_folder / "mode"
    mode.write_text("fail")
    try:
        assert demo.demo(settings, MODEL) == 1
    finally:
        mode.write_text("ok")
    assert "ValueError: the node's own error" in capsys.readouterr().out


def test_the_demo_watches_the_run_that_the_schedule_makes_before_it_starts_its_own(
    airflow: LocalAirflow, rest: AirflowRest, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = airflow.dags_folder / "schedule"
    schedule.write_text(f"{datetime.now(UTC) - timedelta(minutes=90):%M %H} * * *")
    try:
        assert demo.demo(settings, MODEL) == Outcome.refused.exit_code
    finally:
        schedule.unlink()
        start_run.switch_on(rest, PIPELINE_NAME, plain_console()[0])
    runs = rest.runs(PIPELINE_NAME, 100)
    own, [made] = runs[0], [run for run in runs if run.run_type == "scheduled"]
    assert (made.state, own.run_type, own.state) == ("success", "manual", "success")
    assert made.start_date + timedelta(seconds=made.duration) <= own.start_date
    assert f"Run {made.dag_run_id} of Airflow's own comes first: watching it.\n" in capsys.readouterr().out


def test_what_the_server_refuses_is_said(airflow: LocalAirflow, rest: AirflowRest) -> None:
    with pytest.raises(StackError, match=r"401.*Invalid credentials"):
        AirflowRest.login(airflow.url, USER, "wrong").dag(PIPELINE_NAME)
    with pytest.raises(StackError, match=r"^[^\n]*'x' is not one of[^\n]*$"):
        rest.trigger(PIPELINE_NAME, {"mode": "x"})
    with pytest.raises(StackError, match=r"404.*'nope' not found"):
        rest.trigger("nope")
    assert rest.dag("nope") is None


def test_a_dag_that_cannot_be_imported_any_more_is_told_instead_of_a_refusal(
    airflow: LocalAirflow, rest: AirflowRest, settings: Settings
) -> None:
    mode = airflow.dags_folder / "mode"
    mode.unlink()
    try:
        for ask in (
            lambda: start_run.switch_on(rest, PIPELINE_NAME, plain_console()[0]),
            lambda: runs.trigger(settings, MODEL, {}),
            lambda: stack_start.prepare(airflow, settings, migrate=False),
        ):
            with pytest.raises(StackError, match=r"import.* Received: .*nodes_dag.py: .*No such file or directory"):
                ask()
    finally:
        mode.write_text("ok")
    start_run.switch_on(rest, PIPELINE_NAME, plain_console()[0])
    assert rest.import_error(PIPELINE_NAME) is None


def test_a_second_up_says_so_and_whether_anything_was_set_since(airflow: LocalAirflow, settings: Settings) -> None:
    before = read_stack(airflow.home)
    since = ({}, {"NIGHTLITE_NOTIFY_WEBHOOK": "https://example.com/secret"}, {"NIGHTLITE_MNIST_MIN_ACCURACY": "0.98"})
    for variables in since:
        console, text = plain_console()
        with environment(variables):
            assert stack.up(settings, airflow.dags_folder, console).url == airflow.url
        assert f"up already: {airflow.url}" in text.getvalue()
        assert ("settings have changed since: 'make down'" in text.getvalue()) == bool(variables)
    assert read_stack(airflow.home) == before


def test_a_second_up_advises_no_start_that_would_refuse_the_schedule(airflow: LocalAirflow, settings: Settings) -> None:
    before = read_stack(airflow.home)
    console, text = plain_console()
    wrong = environment({"NIGHTLITE_MNIST_SCHEDULE": "99 2 * * *"})
    with (
        wrong,
        pytest.raises(StackError, match=r"py: NIGHTLITE_MNIST_SCHEDULE: expected .* Received: '99 2 \* \* \*'$"),
    ):
        stack.up(settings, console=console)
    assert text.getvalue() == ""
    assert read_stack(airflow.home) == before


def test_a_demo_brings_back_an_airflow_whose_api_server_alone_is_left(
    airflow: LocalAirflow,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stack, "up", functools.partial(stack.up, dags_folder=airflow.dags_folder))
    others = [item.process() for item in read_stack(airflow.home).components if item.name != "api-server"]
    processes.kill(others)
    assert demo.demo(settings, MODEL) in (0, Outcome.refused.exit_code)
    assert "half up (dag-processor, triggerer, scheduler ended)" in capsys.readouterr().out


def test_no_proxy_is_asked_for_this_machine(airflow: LocalAirflow) -> None:
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), f"http://127.0.0.1:{free_port()}")
    with environment({**proxy, "NO_PROXY": "example.com", "no_proxy": "example.com"}):
        assert "api-server" in healthy_components(airflow.url, since=0)
        with logged_in(airflow) as rest:
            assert rest.dag(PIPELINE_NAME)
        of_tasks = airflow_environment(airflow)
    assert of_tasks["NO_PROXY"] == of_tasks["no_proxy"] == "example.com,127.0.0.1,localhost"


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"a folder .*/file/airflow. Received: .*; NIGHTLITE_VAR_DIR names another"):
        stack.up(Settings(var_dir=tmp_path / "file"))


def test_an_up_brings_back_what_has_ended_and_lets_the_rest_run_on(
    airflow: LocalAirflow, rest: AirflowRest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This task ignores SIGTERM, and its child is in another session.
    monkeypatch.setattr(stack, "TASK_GRACE_SECONDS", 1)
    rest.trigger(PIPELINE_NAME, {"mode": "hang"})
    node = wait_for_process("987654")
    before = {component.name: component for component in read_stack(airflow.home).components}
    hung, tasks = node.parent(), processes.running_tasks(before.values())
    assert hung in tasks
    processes.kill([before["scheduler"].process()])
    assert stack.has_its_port(airflow) and not stack.is_up(airflow)
    # Its workers run on; they are found without it. Another task of theirs may have ended by now.
    assert hung in processes.running_tasks(before.values())
    console, text = plain_console()
    stack.up(settings, airflow.dags_folder, console)
    assert "half up (scheduler ended): starting what has ended" in text.getvalue()
    after = {component.name: component for component in read_stack(airflow.home).components}
    assert {name for name in before if before[name] != after[name]} == {"scheduler"}
    assert not node.is_running() and not any(task.is_running() for task in tasks)
    assert processes.members_of_sessions([before["scheduler"]]) == []
    run, _, _ = watched(rest, rest.trigger(PIPELINE_NAME, {"mode": "ok"}).dag_run_id)
    assert run.state == "success"


def test_an_up_with_other_settings_starts_a_half_dead_airflow_again(
    airflow: LocalAirflow, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {component.pid for component in read_stack(airflow.home).components}
    [processor] = [item.process() for item in read_stack(airflow.home).components if item.name == "dag-processor"]
    processes.kill([processor])
    console, text = plain_console()
    with environment({"NIGHTLITE_MNIST_MIN_ACCURACY": "0.98"}):
        stack.up(settings, airflow.dags_folder, console)
    assert "half up (dag-processor ended): starting it again, with the settings of now" in text.getvalue()
    assert before.isdisjoint(component.pid for component in read_stack(airflow.home).components)


def test_down_ends_a_running_task_lets_a_short_one_finish_and_leaves_nothing(
    airflow: LocalAirflow, rest: AirflowRest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first ignores SIGTERM, and its child is in another session. The second's is in its own, and needs 4.3 s.
    monkeypatch.setattr(stack, "TASK_GRACE_SECONDS", 10)
    rest.trigger(PIPELINE_NAME, {"mode": "hang"})
    node = wait_for_process("987654")
    short = rest.trigger(PIPELINE_NAME, {"mode": "short"}).dag_run_id
    wait_for_process("4.321")
    components = read_stack(airflow.home).components
    console, text = plain_console()
    stopped = stack.down(settings, console)
    assert {"api-server", "scheduler", "dag-processor", "triggerer"} <= set(stopped)
    # On a busy machine a task of the test before may be among them.
    assert any(what.endswith((" running task", " running tasks")) for what in stopped)
    assert "scheduler" in text.getvalue()
    assert not node.is_running()
    with contextlib.closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        query = "SELECT state FROM task_instance WHERE run_id = ? AND task_id = 'first'"
        assert database.execute(query, (short,)).fetchall() == [("success",)]
    assert processes.alive(components, airflow.home) == []
    assert stack.down(settings, console=console) == []
    assert "Nothing was running" in text.getvalue()


def test_a_schedule_that_is_none_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLITE_MNIST_SCHEDULE", "99 2 * * *")
    settings = Settings(var_dir=tmp_path, port=free_port())
    with pytest.raises(
        StackError, match=r"py: NIGHTLITE_MNIST_SCHEDULE: expected a cron .* Received: '99 2 \* \* \*'$"
    ):
        stack.up(settings)
    assert not any((tmp_path / "airflow" / name).exists() for name in ("stack.json", "airflow.db"))


def test_a_component_that_ends_at_once_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "prepare", lambda *_, **__: None)
    settings = Settings(var_dir=tmp_path, port=free_port())
    with pytest.raises(StackError, match=r"(?s) ended at once \(exit code 1\).*Database migration required"):
        stack.up(settings, tmp_path)
    assert not (tmp_path / "airflow" / "stack.json").exists()
