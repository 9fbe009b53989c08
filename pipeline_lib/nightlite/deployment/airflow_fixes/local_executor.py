"""Airflow's LocalExecutor, without two faults of it: a task that waits for ever, and an answer that fails the task."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from airflow.executors import local_executor
from airflow.models.taskinstance import TaskInstance


class LocalExecutor(local_executor.LocalExecutor):
    """As Airflow's 3.3.2, but it can take a task back, and knows which ones it has handed to a worker.

    A task whose worker died before it had started stays queued. After `[scheduler] task_queued_timeout` Airflow's
    scheduler queues such a task again, with every executor that can take one back. Should the worker live after all,
    the API server lets only one of the two start the task.

    A task that asks somebody ends its process, and is queued again once it is answered. Where the answer is quicker
    than this executor reads of that end, the scheduler takes the end for that of the new process and fails the task
    ("state mismatch") unless the executor says that it has the task.
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
        """Whether the task is queued here, or a worker has it."""
        return task_instance.key in self._handed_over or super().has_task(task_instance)

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Forget the task."""
        self.running.discard(ti.key)
        self.queued_tasks.pop(ti.key, None)
        self._handed_over.pop(ti.key, None)
