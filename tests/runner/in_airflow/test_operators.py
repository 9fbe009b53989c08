"""The operator against a stand-in that plays run_node's side of the contract in a real process."""

import functools
import json
import logging
import os
import re
import threading
from pathlib import Path

import pytest
from airflow.sdk import Asset
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from nightlite.runner.compiled_pipeline import CompiledPipeline, Parameter
from nightlite.runner.in_airflow import operators
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.runner.in_airflow.operators import TfxNodeOperator
from nightlite.runner.tfx_env.check import why_not
from tests.waiting import wait_until, wait_until_gone


class Xcoms(dict):
    def xcom_push(self, key, value):
        self[key] = value


@pytest.fixture
def run(monkeypatch, caplog):
    """Execute a task as the task runner would, with these run parameters."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    # Airflow's own logger does not pass through caplog.
    monkeypatch.setattr(TfxNodeOperator, "log", logging.getLogger("task"))
    caplog.set_level(logging.INFO)

    def execute(task, run_id="manual__1", xcoms=None, events=None, **params):
        values = {name: task.dag.params[name] for name in task.dag.params} | params
        context = {"params": values, "run_id": run_id, "task": task, "ti": Xcoms() if xcoms is None else xcoms}
        return task.execute(context | {"outlet_events": OutletEventAccessors() if events is None else events})

    return execute


def killed_while_it_hangs(run, task, caplog) -> None:
    """Execute it, and have Airflow kill it once its node hangs."""

    def kill():
        wait_until("a node that hangs", lambda: "hanging" in caplog.text, seconds=120)
        task.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(AirflowException, match="was killed, as Airflow asked"):
        run(task)
    killer.join()


def pid_in(path: Path) -> int:
    wait_until(f"a pid in {path}", lambda: path.exists() and path.read_text().endswith("\n"), seconds=120)
    return int(path.read_text())


def test_success_returns_the_result_as_json(run, operator):
    result = run(operator("succeed"), run_id="manual__2")
    assert json.loads(json.dumps(result)) == result
    assert (result["node_id"], result["run_id"], result["execution_id"]) == ("ExampleGen", "manual__2", 7)


def test_its_temporary_files_are_where_those_of_killed_tasks_are_looked_for(
    run, operator, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("NIGHTLITE_RUNTIME_DIR", str(tmp_path / "runtime"))
    run(operator("succeed"))
    folder = tmp_path / "runtime" / "tmp"
    assert f"{folder}/node-{os.getpid()}-" in caplog.text
    assert list(folder.iterdir()) == []


def test_skip_gives_its_reason_and_its_result(run, operator):
    xcoms = Xcoms()
    with pytest.raises(AirflowSkipException, match="not blessed: accuracy 0.91 < 0.97"):
        run(operator("skip"), xcoms=xcoms)
    assert xcoms["return_value"]["blessed"] is False


RELEASES = Asset("releases")


def test_an_outlets_event_says_which_release_was_made(run, operator):
    events = OutletEventAccessors()
    run(operator("push", outlets=(RELEASES,)), events=events)
    extra = {"node_id": "ExampleGen", "execution_id": 7, "version": 3, "sha256": "ab", "metrics": {"accuracy": 0.99}}
    assert events[RELEASES].extra == extra


def test_a_skipped_node_updates_nothing(run, operator):
    events = OutletEventAccessors()
    with pytest.raises(AirflowSkipException, match="release 3 is this very file"):
        run(operator("nothing new", outlets=(RELEASES,)), events=events)
    assert not events


@pytest.mark.parametrize(
    ("behave", "error", "message"),
    [
        ("fail", AirflowException, "^ExampleGen failed: ValueError: no label in features$"),
        ("crash", AirflowException, "ImportError: cannot import name run_fn$"),
        ("refuse its data", AirflowFailException, "ExampleGen failed: DataError: the data is refused$"),
        ("usage", AirflowFailException, "cannot be run as asked: .*run_node: no such node$"),
        ("out of memory", AirflowException, "SIGKILL.*memory"),
        ("say nothing", AirflowException, "left no result.*last words$"),
        ("truncate", AirflowException, "left no result"),
    ],
)
def test_failures(run, operator, behave, error, message):
    with pytest.raises(AirflowException, match=f"(?s){message}") as raised:
        run(operator(behave))
    assert type(raised.value) is error


def test_missing_interpreter(run, operator, tmp_path):
    task = operator("succeed")
    task.config = task.config.model_copy(update={"tfx_python": tmp_path / "python"})
    with pytest.raises(AirflowFailException, match="make setup"):
        run(task)


def test_a_tfx_environment_of_another_version_fails_the_task_without_a_retry(run, operator, monkeypatch):
    monkeypatch.setattr(operators, "why_not", functools.partial(why_not, is_checkout=False))
    with pytest.raises(AirflowFailException, match="Received: none in .*nightlite tfx-env .* again"):
        run(operator("succeed"))


def test_a_missing_folder_of_the_pipelines_code_fails_it_likewise(run, operator, tmp_path):
    task = operator("succeed")
    task.config = task.config.model_copy(update={"project_dir": tmp_path / "gone"})
    with pytest.raises(AirflowFailException, match="NIGHTLITE_PROJECT_DIR"):
        run(task)


# Longer than the 128 KiB that one word of a command line may have.
NASTY = "{{ ds }} {% raw %} $(touch x) `id` ; 'q\" \\n \n \u2603 \x00 \x1b[2J \u202e" + "x" * 200_000


def test_parameters_arrive_unchanged(run, operator, caplog):
    task = operator("succeed")
    assert task.template_fields == ()
    run(task, note=NASTY, epochs=5.0, rate=1)
    line = next(record for record in caplog.records if '"epochs"' in record.getMessage())
    written = json.loads(line.getMessage().partition("] ")[2])
    assert written == {"epochs": 5, "rate": 1.0, "note": NASTY}
    assert isinstance(written["epochs"], int) and isinstance(written["rate"], float)


@pytest.mark.parametrize(("value", "taken"), [(True, True), (False, True), (1, False), ("true", False)])
def test_a_switch_is_true_or_false_and_nothing_like_it(run, stand_in, compiled, value, taken, caplog):
    switch = Parameter(name="force", type="bool", default=False, read_by="run")
    pipeline = compiled.model_copy(update={"parameters": (*compiled.parameters, switch)})
    config = AirflowPipelineConfig(tfx_python=stand_in, node_settings={"*": {"env": {"BEHAVE": "succeed"}}})
    task = AirflowDagRunner(config).run(pipeline).get_task("ExampleGen")
    assert task.dag.params.get_param("force").schema["type"] == "boolean"
    if taken:
        run(task, force=value)
        assert f'"force": {json.dumps(value)}' in caplog.text
    else:
        with pytest.raises(AirflowFailException, match="force: expected a bool"):
            run(task, force=value)


def test_a_run_id_may_begin_with_a_dash(run, operator):
    assert run(operator("succeed"), run_id="-x")["run_id"] == "-x"


@pytest.mark.parametrize(
    "params",
    [{"rate": float("nan")}, {"rate": 10**400}, {"epochs": "many" * 1000}, {"epochs": [1]}, {"note": "\ud800"}],
    ids=lambda params: ascii(params)[:20],
)
def test_parameters_that_the_pipeline_does_not_take(run, operator, params):
    with pytest.raises(AirflowFailException, match="run parameter .*: expected .* Received") as error:
        run(operator("succeed"), **params)
    assert len(str(error.value)) < 200


def test_a_misspelt_parameter_is_told_with_the_right_name_first(run, operator):
    with pytest.raises(AirflowFailException, match=r"^Did you mean epochs\? Expected only .* Received: epoch$"):
        run(operator("succeed"), epoch=3)


def test_absl_levels_are_kept(run, operator, caplog):
    run(operator("succeed"))
    levels = {record.levelno for record in caplog.records if "launcher.py:576" in record.getMessage()}
    assert levels == {logging.INFO, logging.ERROR}


def test_each_line_is_logged_at_its_level_and_a_persons_print_at_info(run, operator, caplog):
    with pytest.raises(AirflowException, match=r"failed: (.*\n)*Traceback:\n  File\nValueError: bad\n"):
        run(operator("complain"))
    logged = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert logged[-6:] == [
        ("INFO", "ERROR: printed by someone"),
        ("WARNING", "lite: careful"),
        ("ERROR", "Traceback:"),
        ("ERROR", "  File"),
        ("ERROR", "ValueError: bad"),
        ("WARNING", "W0000 00:00:1795834607.272323   11711 a.cc:31] native"),
    ]


def test_a_skip_before_the_node_began_is_no_failure(run, stand_in, compiled):
    def skip(_):
        raise AirflowSkipException("no one was asked")

    given = Parameter(name="as_of", type="str", default="", given_by="airflow")
    pipeline = compiled.model_copy(update={"parameters": (given,)})
    config = AirflowPipelineConfig(tfx_python=stand_in, context_parameters={"as_of": skip})
    xcoms = Xcoms()
    with pytest.raises(AirflowSkipException, match="no one was asked"):
        run(AirflowDagRunner(config).run(pipeline).get_task("ExampleGen"), xcoms=xcoms)
    assert xcoms == {}


def test_lines_are_logged_as_they_are_written(run, operator, tmp_path):
    # The stand-in goes on only once its first line has been logged.
    class OnFirstLine(logging.Handler):
        def emit(self, record):
            if record.getMessage() == "first line":
                (tmp_path / "pid").touch()

    handler = OnFirstLine()
    logging.getLogger().addHandler(handler)
    try:
        assert run(operator("wait to be read"))["state"] == "succeeded"
    finally:
        logging.getLogger().removeHandler(handler)


def test_what_a_node_leaves_behind_does_not_hold_its_task(run, operator, tmp_path):
    assert run(operator("leave a child"))["state"] == "succeeded"
    wait_until_gone(pid_in(tmp_path / "pid"))


def test_on_kill_ends_the_whole_group(run, operator, tmp_path, caplog):
    killed_while_it_hangs(run, operator("hang"), caplog)
    assert "tidied up" in caplog.text
    wait_until_gone(pid_in(tmp_path / "pid"))


def test_what_airflow_gives_is_told_to_the_node_and_no_run_may_say_it(run, stand_in, compiled, tmp_path, caplog):
    given = Parameter(name="as_of", type="str", default="", given_by="airflow")
    pipeline = compiled.model_copy(update={"parameters": (*compiled.parameters, given)})
    config = AirflowPipelineConfig(
        tfx_python=stand_in,
        context_parameters={"as_of": lambda context: f"of {context['run_id']}", "elsewhere": lambda context: "unused"},
        node_settings={"*": {"env": {"BEHAVE": "succeed"}}},
    )
    task = AirflowDagRunner(config).run(pipeline).get_task("ExampleGen")
    assert "as_of" not in task.dag.params
    run(task)
    assert '"as_of": "of manual__1"' in caplog.text and "unused" not in caplog.text
    with pytest.raises(AirflowFailException, match=r"Received: as_of$"):
        run(task, as_of="2026-01-01")


def test_the_variables_that_only_this_node_has_are_named_for_its_cache_key(run, operator, caplog):
    run(operator("succeed"))
    assert "--own-env=BEHAVE --own-env=PID_FILE" in caplog.text


def test_the_nodes_of_a_pipeline_given_by_value_share_one_file_and_another_pipeline_has_another(
    run, operator, compiled, stand_in, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    dag = operator("succeed").dag
    other = compiled.model_copy(update={"tfx_version": "another"})
    env = {"*": {"env": {"BEHAVE": "succeed"}}}
    another = AirflowDagRunner(AirflowPipelineConfig(tfx_python=stand_in, node_settings=env)).run(other)
    for task in (dag.get_task("ExampleGen"), dag.get_task("Pusher"), another.get_task("Pusher")):
        run(task)
    files = re.findall(r"--pipeline=(\S+)", caplog.text)
    assert files[0] == files[1] != files[2]
    assert [CompiledPipeline.read(Path(file)) for file in files] == [compiled, compiled, other]
    left = set(Path(files[0]).parent.rglob("*"))
    assert left == {Path(file) for file in files}
