"""What the scheduler does with a task whose worker was killed before the task had started."""

from types import SimpleNamespace

from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.models.taskinstancekey import TaskInstanceKey

from pipeline_lib.airflow.local_config import LocalAirflow
from pipeline_lib.airflow.local_executor import LocalExecutor


def test_a_task_can_be_taken_back():
    executor = LocalExecutor(parallelism=1)
    key, other = (TaskInstanceKey("dag", task_id, "run", 1) for task_id in ("lost", "other"))
    executor.running = {key, other}
    executor.queued_tasks = {key: object()}
    executor.revoke_task(ti=SimpleNamespace(key=key))
    assert executor.running == {other} and executor.queued_tasks == {}
    executor.revoke_task(ti=SimpleNamespace(key=key))
    assert executor.running == {other}
    assert executor.event_buffer == {}


def test_the_local_airflow_uses_it(monkeypatch, tmp_path):
    LocalAirflow(tmp_path, 1, tmp_path).write()
    conf_here = type(conf)()
    conf_here.read(tmp_path / "airflow.cfg")
    module, name = conf_here.get("core", "executor").rsplit(".", 1)
    assert (module, name) == (LocalExecutor.__module__, LocalExecutor.__name__)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", f"{module}.{name}")
    assert ExecutorLoader.import_executor_cls(ExecutorLoader.lookup_executor_name_by_str(f"{module}.{name}"))
