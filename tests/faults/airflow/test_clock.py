"""Nights on which the clock is changed: by law twice a year, and by someone's hand."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables import trigger
from airflow.utils.types import DagRunType
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.mnist.on_device import MODEL
from nightlite.ondevice.in_airflow.schedule import as_of, schedule
from nightlite.ondevice.settings import ModelSettings
from nightlite.ondevice.spans import Manifest, SplitManifest, select

YEAR = 2026
NIGHTS = ("0 2 * * *", "30 2 * * *")
ZONES = ("Europe/Berlin", "America/New_York")
# Changes at other hours than these two have, by half an hour (Lord Howe), at midnight (Beirut), southern ones.
MORE_ZONES = (*ZONES, "Australia/Lord_Howe", "Asia/Beirut", "America/Santiago", "Atlantic/Azores", "Europe/London")
HOUR = timedelta(hours=1)


def nightly(cron: str, zone: str) -> Any:
    """Return the DAG as the scheduler has it: read back from the database's form."""
    dag = DAG("nightly", schedule=schedule(MODEL, ModelSettings(schedule=cron), zone), catchup=False)
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def changes(zone: str) -> list[pendulum.DateTime]:
    """Return the moments of the year at which the zone's clocks are changed, to the half hour."""
    moments = [pendulum.datetime(YEAR, 1, 1).add(minutes=30 * number) for number in range(2 * 24 * 365)]
    offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in moments]
    return [moments[at] for at in range(1, len(moments)) if offsets[at] != offsets[at - 1]]


def scheduled(dag: Any, clock: Iterator[pendulum.DateTime], patch: pytest.MonkeyPatch) -> list[datetime]:
    """The runs that are made while the clock shows these times: next ones are reckoned again at each, as Airflow does
    after each parse of the file."""
    now, last, runs = next(clock), None, []
    patch.setattr(trigger, "utcnow", lambda: now)
    for now in clock:
        following = dag.next_dagrun_info(last_automated_run_info=last)
        if following.run_after <= now:
            runs.append(following.run_after)
            last = following
    return runs


def times(start: pendulum.DateTime, end: pendulum.DateTime, minutes: int) -> Iterator[pendulum.DateTime]:
    while start < end:
        yield start
        start = start.add(minutes=minutes)


def by_night(runs: list[datetime], zone: str) -> Counter[Any]:
    return Counter(run.astimezone(ZoneInfo(zone)).date() for run in runs)


@pytest.mark.parametrize("cron", NIGHTS)
@pytest.mark.parametrize("zone", ZONES)
def test_each_night_of_a_year_has_one_run(cron: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = pendulum.datetime(YEAR, 1, 1, tz=zone)
    assert len(changes(zone)) == 2
    runs = scheduled(nightly(cron, zone), times(start.subtract(days=3), start.add(years=1), 7 * 60), monkeypatch)
    nights = by_night([run for run in runs if run >= start], zone)
    assert set(nights.values()) == {1} and len(nights) == 365


@pytest.mark.parametrize("cron", NIGHTS)
@pytest.mark.parametrize("zone", ZONES)
def test_a_backfill_of_a_year_has_one_run_for_each_night(cron: str, zone: str) -> None:
    start = pendulum.datetime(YEAR, 1, 1, tz=zone)
    found = nightly(cron, zone).iter_dagrun_infos_between(start, start.add(years=1).subtract(seconds=1))
    runs = [item.logical_date for item in found]
    assert set(by_night(runs, zone).values()) == {1} and len(runs) == 365


@hypothesis_settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(zone=st.sampled_from(MORE_ZONES), hour=st.integers(0, 23), minute=st.integers(0, 59), look=st.integers(11, 90))
def test_whatever_the_zone_and_the_hour_the_nights_around_a_change_have_one_run_each(
    monkeypatch: pytest.MonkeyPatch, zone: str, hour: int, minute: int, look: int
) -> None:
    dag = nightly(f"{minute} {hour} * * *", zone)
    for change in changes(zone):
        with monkeypatch.context() as patch:
            runs = scheduled(dag, times(change.subtract(days=2), change.add(days=2), look), patch)
        nights = by_night(runs, zone)
        days = [change.astimezone(ZoneInfo(zone)).date() + timedelta(days=number) for number in (-1, 0, 1)]
        assert [nights[day] for day in days] == [1, 1, 1], (change, runs)


@pytest.mark.parametrize("step", [HOUR, timedelta(days=1)])
def test_a_clock_set_back_right_after_a_run_makes_no_second_one_and_loses_none(
    step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, zone = pendulum.datetime(YEAR, 5, 1, tz="UTC"), "UTC"
    set_back = start.add(days=2, hours=2, minutes=5)
    shown = [*times(start, set_back, 5), *times(set_back - step, start.add(days=6), 5)]
    runs = scheduled(nightly("0 2 * * *", zone), iter(shown), monkeypatch)
    assert sorted(by_night(runs, zone).values()) == [1] * 6


def make_span(data_dir: Path, number: int, created: datetime) -> None:
    folder = data_dir / f"span-{number}"
    folder.mkdir(parents=True)
    split = SplitManifest(examples=1, per_class=(1,), content_sha256=str(number), shards={})
    manifest = Manifest(source="test", created=created, splits={"train": split})
    (folder / "span.json").write_text(manifest.model_dump_json())


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", NIGHTS)
def test_a_backfill_of_a_changed_night_reads_what_was_there_by_then(tmp_path: Path, cron: str, zone: str) -> None:
    """Wall clocks show an hour twice, or never; moments do not: a span of every quarter of an hour around it."""
    for number_of_change, change in enumerate(changes(zone)):
        data_dir, first = tmp_path / str(number_of_change), change.subtract(hours=6)
        moments = list(times(first, change.add(hours=6), 15))
        for number, moment in enumerate(moments, start=1):
            make_span(data_dir, number, moment.astimezone(ZoneInfo(zone)))
        [night] = nightly(cron, zone).iter_dagrun_infos_between(first, moments[-1])
        run = SimpleNamespace(run_type=DagRunType.BACKFILL_JOB, logical_date=night.logical_date)
        [read] = select(data_dir, as_of=as_of({"dag_run": run}))
        assert read.manifest.created == max(moment for moment in moments if moment <= night.logical_date)
