"""The watchdog's findings on feeds: one that was not renewed, and a roll-out that stands still."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightlite.deployment.in_airflow.watchdog.feeds import look_at_feeds
from nightlite.ondevice.feed.document import VALID_FOR, Document
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.plan import Plan
from nightlite.ondevice.rollout.state import CHANNELS
from tests.ondevice.releases.made_releases import push

NOW = datetime(2026, 3, 10, 7, tzinfo=UTC)


def findings(var_dir: Path, now: datetime = NOW, nights: int = 7, looked: timedelta = timedelta(days=1)) -> list[str]:
    return [f"{one.about} {one.text}" for one in look_at_feeds(var_dir, now, now - looked, nights)]


def publish(var_dir: Path, issued: datetime) -> None:
    """Write documents as a publication at that time does."""
    for channel in CHANNELS:
        folder = var_dir / "feed" / "tulips" / channel
        folder.mkdir(parents=True, exist_ok=True)
        document = Document(
            model="tulips",
            channel=channel,
            sequence=1,
            issued=issued,
            expires=issued + VALID_FOR,
            key_id="k",
            offers=(),
        )
        (folder / "latest.json").write_text(document.model_dump_json())


def test_without_a_feed_there_is_nothing_to_find(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(hours=2), None),
        (timedelta(hours=25), None),
        (timedelta(hours=26), "the feed of tulips is of 2026-03-09 05:00 UTC, and phones take nothing new after"),
        (VALID_FOR + timedelta(hours=1), "and phones have taken nothing new since 2026-03-10 06:00 UTC"),
    ],
)
def test_a_feed_that_missed_a_night_is_found_once(tmp_path: Path, age: timedelta, said: str | None) -> None:
    publish(tmp_path, NOW - age)
    found = findings(tmp_path)
    assert len(found) == (said is not None)
    if said:
        assert found[0].startswith("tulips_feed was not renewed: ") and said in found[0]


def test_a_document_that_no_phone_can_read_is_found(tmp_path: Path) -> None:
    publish(tmp_path, NOW)
    (tmp_path / "feed" / "tulips" / "stable" / "latest.json").write_text("{")
    [finding] = findings(tmp_path)
    assert finding.startswith("tulips_feed has a document that no phone can read: ")


def test_a_roll_out_that_stands_still_is_found_at_each_multiple(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "tulips" / "releases")
    (tmp_path / "feed" / "tulips").mkdir(parents=True)
    plan = Plan((100,))
    push(releases, "model 1", "run-1", plan)
    pushed = datetime.now(UTC)
    assert findings(tmp_path, pushed + timedelta(days=7, hours=1)) == []
    push(releases, "model 2", "run-2", plan)
    told = [days for days in range(1, 16) if findings(tmp_path, pushed + timedelta(days=days, hours=1))]
    assert told == [7, 14]
    [finding] = findings(tmp_path, pushed + timedelta(days=7, hours=1))
    assert finding.startswith("tulips_tflite has a roll-out that stands still: release 2 is at 10 % since ")
    assert "nightlite models rollout --model tulips 2 --percent 100" in finding
    assert findings(tmp_path, pushed + timedelta(days=7, hours=1), nights=0) == []
    push(releases, "model 3", "run-3", plan)
    releases.halt(2, who="joe", why="crashes")
    [finding] = findings(tmp_path, pushed + timedelta(days=7, hours=1))
    assert "release 3 waits since" in finding
    (releases.folder / "history.jsonl").write_text("{")
    assert findings(tmp_path, pushed + timedelta(days=7, hours=1)) == []
