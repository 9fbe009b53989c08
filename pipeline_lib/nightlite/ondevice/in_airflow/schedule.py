"""Schedule of the pipeline's DAG, its data's date and its deadline: the settings in Airflow's terms."""

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, Context, CronTriggerTimetable
from airflow.sdk.bases.timetable import BaseTimetable
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowTimetableInvalid

from nightlite.errors import SettingsError
from nightlite.ondevice.in_airflow.notice.task import late_callback
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import ModelSettings, Settings, model_prefix
from nightlite.runner.in_airflow.config import NodeSettings

_BACKFILL = "backfill"
_RETRY_DELAY = timedelta(seconds=30)


def schedule(model: OnDeviceModel, settings: ModelSettings, timezone: str) -> BaseTimetable | list[Asset] | None:
    """Return the schedule: by time, on new data, on either, or never.

    Raises:
      SettingsError: it is no cron expression.
    """
    data = [Asset(model.data_asset)] if settings.run_on_new_data else []
    if not settings.schedule:
        return data or None
    # In containers (docker/airflow/airflow.cfg) a DAG without a scheduled run makes up for its last date.
    at_once = conf.getboolean("nightly", "first_run_at_once", fallback=False)
    by_time = CronTriggerTimetable(settings.schedule, timezone=timezone, run_immediately=at_once)
    try:
        # Airflow validates a timetable, but not one within another.
        by_time.validate()
    except AirflowTimetableInvalid as error:
        raise SettingsError(
            f"{model_prefix(model)}SCHEDULE: expected a cron expression or preset ({error}). "
            f"Received: {settings.schedule!r}"
        ) from None
    return AssetOrTimeSchedule(timetable=by_time, assets=data) if data else by_time


def as_of(context: Context) -> str:
    """Return the date whose data a run reads, as ISO text, or "" for the newest data.

    Only a backfill has such a date. A nightly run that starts late, after an outage or in a new deployment, would
    skip existing data. The trigger form fills in the browser's time for a run that means now.
    """
    run = context["dag_run"]
    return run.logical_date.isoformat() if run.run_type == _BACKFILL and run.logical_date else ""


def deadline(settings: ModelSettings) -> DeadlineAlert | None:
    """Return an alert for a late run. It counts from queueing, because runs on new data have no date."""
    if not settings.deadline_minutes:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=settings.deadline_minutes),
        callback=late_callback(),
    )


def node_limits(settings: Settings) -> NodeSettings:
    """Return each node's number of tries and the time limit of a try."""
    limit = timedelta(minutes=settings.node_timeout_minutes)
    return NodeSettings(retries=settings.node_retries, retry_delay=_RETRY_DELAY, execution_timeout=limit)
