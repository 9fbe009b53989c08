"""Notify people of a run's outcome: by its last task, or by Airflow's callbacks if no task can run.

| event | sent by | where it runs |
| --- | --- | --- |
| pushed, refused, nothing_new, failed | `NoticeOperator`, the run's last task | a worker; its log is in the UI |
| failed, at `dagrun_timeout`: Airflow skips every task | `tell_of_timeout`, the DAG's callback | DAG processor |
| failed, of a feed's DAG | `tell_of_failed_task`, its tasks' callback | a worker |
| late | `late_callback`, for a `DeadlineAlert` | triggerer |

Recipients are in the environment of the process that sends (`notice/settings.py`), never in the DAG. A failed
notice fails no run. Every DAG parse imports this module, so senders are imported where they are used. See decision
11.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.exceptions import AirflowFailException

from nightlite.errors import SettingsError
from nightlite.ondevice.in_airflow.notice.settings import Recipients, notice_settings
from nightlite.runner.in_airflow.xcom import by_group, group_among, node_result
from nightlite.runner.node_result import NodeResult

if TYPE_CHECKING:
    from nightlite.ondevice.in_airflow.notice.message import Notice

NOTICE_TASK = "Notice"
_log = logging.getLogger(__name__)


class NoticeOperator(BaseOperator):
    """Task that notifies people of the run's outcome.

    As a teardown after all tasks, it neither hides nor makes a failure.

    If a recipient could not be notified, it fails after all others were. The run keeps its state.
    """

    template_fields = ()
    ui_color = "#fff9c4"

    def execute(self, context: Context) -> None:
        try:
            settings = notice_settings()
        except SettingsError as error:
            raise AirflowFailException(f"no one was notified: {error}") from None  # another try would read the same
        run_id, ti = str(context["run_id"]), context["ti"]
        others = [task_id for task_id in self.dag.task_ids if task_id in self.upstream_task_ids]
        states = ti.get_task_states(dag_id=self.dag_id, run_ids=[run_id])[run_id]
        results = {task_id: node_result(ti.xcom_pull(task_ids=task_id)) for task_id in others}
        notices = self._finished(
            run_id,
            {task_id: states.get(task_id) for task_id in others},
            {task_id: result for task_id, result in results.items() if result},
        )
        wanted = [notice for notice in notices if settings.tells(notice.event)]
        if not wanted:
            events = ", ".join(notice.event for notice in notices)
            self.log.info("no notice is due for this run (%s)", events or "nothing came of it")
        if untold := [name for notice in wanted for name in tell(settings, notice)]:
            raise AirflowFailException(f"not notified: {', '.join(untold)}. The run's own outcome is unchanged")

    def _finished(
        self, run_id: str, states: Mapping[str, str | None], results: Mapping[str, NodeResult]
    ) -> "list[Notice]":
        """Return the notices of the run, those of each `TfxTaskGroup` apart."""
        from nightlite.ondevice.in_airflow.notice.content import finished

        groups = by_group(results)
        notices = []
        for group in dict.fromkeys([group_among(task_id, groups) for task_id in states]):
            mine = {task_id: state for task_id, state in states.items() if group_among(task_id, groups) == group}
            left = {task_id: result for task_id, result in results.items() if task_id in mine}
            notices += finished(self.dag_id, run_id, mine, left, group)
        return notices


def end_with_notice(dag: DAG) -> NoticeOperator:
    """Add the notice task and the timeout callback to a DAG that has all its other tasks."""
    others = list(dag.tasks)
    # Retries are for a worker that dies. The task's own errors are not retried.
    notice = NoticeOperator(
        dag=dag, task_id=NOTICE_TASK, retries=2, retry_delay=timedelta(seconds=10), doc_md=NoticeOperator.__doc__
    )
    # After every task: the last ones end early if a task before them fails.
    notice.set_upstream(others)
    notice.as_teardown()
    given = dag.on_failure_callback or []
    dag.on_failure_callback = [*(given if isinstance(given, list) else [given]), tell_of_timeout]
    dag.has_on_failure_callback = True
    return notice


def tell_of_timeout(context: Mapping[str, Any]) -> None:
    """Notify of a run that Airflow ended at its `dagrun_timeout`, and of no other, as `on_failure_callback`."""
    from nightlite.ondevice.in_airflow.notice.content import timed_out

    settings = notice_settings()
    if context.get("reason") == "timed_out" and settings.tells("failed"):
        tell(settings, timed_out(context["dag"].dag_id, str(context["run_id"])))


def tell_of_failed_task(context: Mapping[str, Any]) -> None:
    """Notify of a task that failed in its last try, as `on_failure_callback` of a task outside of a model's run."""
    from nightlite.ondevice.in_airflow.notice.content import task_failed

    settings = notice_settings()
    if settings.tells("failed"):
        why = " ".join(str(context.get("exception") or "").split())
        tell(settings, task_failed(context["dag"].dag_id, str(context["run_id"]), context["ti"].task_id, why))


def late_callback() -> AsyncCallback:
    """Return the callback of a `DeadlineAlert`.

    It runs in the triggerer, because full executors make runs late too.
    """
    return AsyncCallback(tell_late)


async def tell_late(context: Mapping[str, Any] | None = None) -> str:
    """Notify of a run that missed its deadline. Return the text that Airflow's database keeps."""
    from nightlite.ondevice.in_airflow.notice.content import late

    notice = late(context or {})
    _log.warning("%s (run %s)", notice.subject, notice.run_id)
    settings = notice_settings()
    if not settings.tells(notice.event):
        return "no one is to be notified"
    # In a thread, so that the triggerer's other triggers go on.
    untold = await asyncio.to_thread(tell, settings, notice)
    return f"not notified: {', '.join(untold)}" if untold else "notified"


def tell(settings: Recipients, notice: "Notice") -> list[str]:
    """Send it, log the results, and return the recipients that were not notified."""
    from nightlite.ondevice.in_airflow.notice.senders import send

    outcomes = send(settings, notice)
    for name, failure in outcomes.items():
        if failure:
            _log.error("%s: not notified of %r: %s", name, notice.subject, failure)
        else:
            _log.info("%s: notified of %r", name, notice.subject)
    return [name for name, failure in outcomes.items() if failure]
