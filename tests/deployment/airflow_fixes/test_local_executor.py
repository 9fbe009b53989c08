"""The executor's word to the scheduler on a task that is queued a second time."""

import inspect
from types import SimpleNamespace

import pytest
from airflow.configuration import conf
from airflow.executors import local_executor
from airflow.executors.executor_loader import ExecutorLoader
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.taskinstancekey import TaskInstanceKey

from nightlite.deployment.airflow_fixes.local_executor import LocalExecutor
from nightlite.deployment.local.airflow_config import LocalAirflow

KEY = TaskInstanceKey("dag", "task", "run", 1)
TASK = SimpleNamespace(key=KEY, id="ti")


def test_a_task_can_be_taken_back():
    executor, other = LocalExecutor(parallelism=1), TaskInstanceKey("dag", "other", "run", 1)
    executor.running = {KEY, other}
    executor.queued_tasks = {KEY: object()}
    executor.revoke_task(ti=TASK)
    assert executor.running == {other} and executor.queued_tasks == {}
    executor.revoke_task(ti=TASK)
    assert executor.running == {other}
    assert executor.event_buffer == {}


def test_it_has_a_task_until_the_last_worker_that_it_was_handed_to_is_done(monkeypatch):
    monkeypatch.setattr(local_executor.LocalExecutor, "_process_workloads", lambda self, workloads: None)
    executor = LocalExecutor(parallelism=1)
    assert not executor.has_task(TASK)
    for _ in range(2):  # it asked someone, and was answered before its end was read
        executor._process_workloads([SimpleNamespace(key=KEY)])
    executor.success(KEY)
    assert executor.has_task(TASK) and executor.get_event_buffer() == {KEY: ("success", None)}
    executor.success(KEY)
    assert not executor.has_task(TASK)
    executor._process_workloads([SimpleNamespace(key=KEY)])
    executor.revoke_task(ti=TASK)
    assert not executor.has_task(TASK)


def test_what_a_newer_airflow_passes_to_change_state_is_handed_on(monkeypatch):
    """Airflow 3.4 passes `workload_run_id`, which 3.3.2 does not have."""
    passed = []
    monkeypatch.setattr(
        local_executor.LocalExecutor, "change_state", lambda self, *args, **kwargs: passed.append((args, kwargs))
    )
    executor = LocalExecutor(parallelism=1)
    executor.change_state(KEY, "success", "info", workload_run_id="a-run")
    executor.change_state(KEY, "failed", remove_running=False)
    assert passed == [
        ((KEY, "success", "info"), {"workload_run_id": "a-run"}),
        ((KEY, "failed"), {"remove_running": False}),
    ]


def test_the_local_airflow_uses_it(monkeypatch, tmp_path):
    LocalAirflow(tmp_path, 1, tmp_path).write()
    conf_here = type(conf)()
    conf_here.read(tmp_path / "airflow.cfg")
    module, name = conf_here.get("core", "executor").rsplit(".", 1)
    assert (module, name) == (LocalExecutor.__module__, LocalExecutor.__name__)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", f"{module}.{name}")
    assert ExecutorLoader.import_executor_cls(ExecutorLoader.lookup_executor_name_by_str(f"{module}.{name}"))


def test_airflows_own_still_takes_no_task_back():
    with pytest.raises(NotImplementedError):
        local_executor.LocalExecutor(parallelism=1).revoke_task(ti=TASK)


def test_airflow_still_fails_a_task_that_runs_again_before_its_first_end_is_read():
    """Its scheduler lets such an end pass where the task is only scheduled again, and its executor knows no better."""
    source = inspect.getsource(SchedulerJobRunner.process_executor_events)
    lets_pass = source.partition("ti_requeued = (")[2].partition("if ti_queued and not ti_requeued")[0]
    assert "TaskInstanceState.SCHEDULED" in lets_pass and "TaskInstanceState.RUNNING" not in lets_pass
    assert "has_task" not in vars(local_executor.LocalExecutor)
