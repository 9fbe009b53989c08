"""Airflow's LocalExecutor, without its one way to wait for ever: for a worker that died before its task had started."""

from airflow.executors import local_executor
from airflow.models.taskinstance import TaskInstance


class LocalExecutor(local_executor.LocalExecutor):
    """As Airflow's, but a task that stays queued longer than `[scheduler] task_queued_timeout` is queued again.

    Airflow's scheduler does so for every executor that can take a task back; its LocalExecutor cannot. Should the
    worker live after all, the API server lets only one of the two start the task.
    """

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Forget the task."""
        self.running.discard(ti.key)
        self.queued_tasks.pop(ti.key, None)
