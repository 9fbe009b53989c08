"""Airflow's LocalExecutor without two faults: a task that waits forever, and an answer that fails the task.

Upstream: none filed for the first. The second is apache/airflow#71580 and apache/airflow#72716, both open; they follow
apache/airflow#66374 and apache/airflow#67287, which are mended for tasks not yet running. For Airflow 3.3.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from airflow.executors import local_executor
from airflow.models.taskinstance import TaskInstance


class LocalExecutor(local_executor.LocalExecutor):
    """An executor like Airflow's that can also revoke a task, and knows which tasks its workers have.

    A task whose worker died before starting it stays queued. After `[scheduler] task_queued_timeout` the scheduler
    queues it again, but only with an executor that can revoke. If the worker is alive after all, the API server lets
    only one of the two start the task.

    A task that asks someone ends its process, and is queued again once it is answered. If the answer comes before this
    executor has read that end, the scheduler takes the end for the new process's. It then fails the task ("state
    mismatch"), unless the executor says that it has the task.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._handed_over: Counter[Any] = Counter()

    def _process_workloads(self, workload_list: Sequence[Any]) -> None:
        self._handed_over.update(workload.key for workload in workload_list)
        super()._process_workloads(workload_list)  # type: ignore[no-untyped-call]

    def change_state(self, key: Any, state: Any, *args: Any, **kwargs: Any) -> None:
        """Note that a worker has finished the task, and report it to the scheduler with all that Airflow passes."""
        self._handed_over[key] -= 1
        if self._handed_over[key] <= 0:
            del self._handed_over[key]
        super().change_state(key, state, *args, **kwargs)

    def has_task(self, task_instance: TaskInstance) -> bool:
        """Return whether the task is queued here, or a worker has it."""
        return task_instance.key in self._handed_over or super().has_task(task_instance)

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Forget the task."""
        self.running.discard(ti.key)
        self.queued_tasks.pop(ti.key, None)
        self._handed_over.pop(ti.key, None)
