"""DAG of the watchdog: once a day it looks, and sends one notice if nights fail without a word.

It is a DAG of its own, in a file that reads no model and no setting of a model. Whatever breaks their files leaves
this one running. It does not see that Airflow itself is down: docs/notices.md says how to watch that.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, Context, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowFailException

from nightlite.deployment.in_airflow.watchdog.findings import Finding, look
from nightlite.deployment.in_airflow.watchdog.settings import WatchdogSettings, watchdog_settings
from nightlite.errors import NightliteError, SettingsError
from nightlite.ondevice.in_airflow.notice.settings import has_recipient, recipients
from nightlite.paths import var_dir

DAG_ID = "watchdog"
_DAY = timedelta(days=1)


def watchdog_dag(docs: str) -> DAG | None:
    """Return the DAG, or None where no recipient of notices is named."""
    if not has_recipient():
        return None
    with DAG(
        DAG_ID,
        schedule=CronTriggerTimetable(f"0 {_readable_settings()[0].hour} * * *", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        description="Notices nights that fail without a word",
        default_args={"owner": "nightlite"},
        doc_md=docs,
    ) as dag:
        WatchdogOperator(task_id="Look", retries=2, retry_delay=timedelta(minutes=1))
    return dag


def _look(now: datetime, since: datetime) -> tuple[list[Finding], str]:
    """Return the findings, and the reason if Airflow could not be asked, which is a finding, too."""
    from nightlite.deployment.in_airflow.watchdog.feeds import look_at_feeds
    from nightlite.deployment.in_airflow.watchdog.login import login
    from nightlite.deployment.in_airflow.watchdog.watched_airflow import WatchedAirflow

    settings, problem = _readable_settings()
    found = [Finding(about=DAG_ID, text=f"takes its defaults: {problem}")] if problem else []
    found += look_at_feeds(var_dir(), now, since, settings.nights)
    try:
        with WatchedAirflow(login()) as airflow:
            return [*found, *look(airflow, now, since, settings.nights)], ""
    # The last two: an answer in another form, as after an upgrade.
    except (NightliteError, KeyError, ValueError) as error:
        blind = f"could not look: {' '.join(str(error).split())}"
        return [*found, Finding(about=DAG_ID, text=blind)], blind


def _readable_settings() -> tuple[WatchdogSettings, str]:
    """Return the settings, or the defaults and the reason. A malformed setting must not end the watch."""
    try:
        return watchdog_settings(), ""
    except SettingsError as error:
        return WatchdogSettings.model_construct(), str(error)


class WatchdogOperator(BaseOperator):
    """Task that looks once and sends one notice of all that it found.

    It ends failed if it could not look, or if a recipient could not be notified. Its XCom is the findings' text.
    """

    template_fields = ()

    def execute(self, context: Context) -> list[str]:
        from nightlite.deployment.in_airflow.watchdog.message import silent
        from nightlite.ondevice.in_airflow.notice.task import tell

        now = datetime.now(UTC)
        last: Any = context.get("prev_start_date_success")  # a lazy proxy, which never is None itself
        found, blind = _look(now, last or now - _DAY)
        for finding in found:
            self.log.warning("%s %s", finding.about, finding.text)
        if not found:
            self.log.info("nothing to tell")
            return []
        try:
            untold = tell(recipients(), silent(self.dag_id, str(context["run_id"]), found))
        except SettingsError as error:
            raise AirflowFailException(f"no one was notified: {error}") from None
        if untold or blind:
            raise AirflowFailException(f"not notified: {', '.join(untold)}" if untold else blind)
        return [f"{finding.about} {finding.text}" for finding in found]
