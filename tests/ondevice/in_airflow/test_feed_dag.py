"""The feed's DAG, with a stand-in for the TFX environment."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.sdk import Asset, AssetOrTimeSchedule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from nightlite.deployment.settings import Settings, settings
from nightlite.ondevice.feed import keys, uploaded
from nightlite.ondevice.feed.document import Document
from nightlite.ondevice.in_airflow.feed_dag import feed_dag, publish_feed
from nightlite.ondevice.in_airflow.notice.task import tell_of_failed_task
from nightlite.settings import forget_settings
from tests.tiny_table.on_device import MODEL


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("NIGHTLITE_TFX_PYTHON", str(tmp_path / "python"))
    forget_settings()
    yield settings()
    forget_settings()


def answer(config: Settings, script: str) -> None:
    config.tfx_python.write_text(f"#!/bin/sh\n{script}\n")
    config.tfx_python.chmod(0o755)


def test_there_is_one_only_with_keys(config: Settings) -> None:
    assert feed_dag(MODEL.name) is None
    keys.make(config.feed_keys_dir)
    found = feed_dag(MODEL.name)
    assert found and found.dag_id == f"{MODEL.name}_feed"


def test_it_runs_each_day_and_on_a_release(config: Settings) -> None:
    keys.make(config.feed_keys_dir)
    found = feed_dag(MODEL.name)
    assert found
    schedule = found.timetable
    assert isinstance(schedule, AssetOrTimeSchedule)
    assert schedule.timetable.expression == "0 5 * * *"
    assert list(schedule.asset_condition.objects) == [Asset(MODEL.releases_asset)]


def test_it_publishes_in_the_other_environment_and_gives_the_sequence(config: Settings) -> None:
    keys.make(config.feed_keys_dir)
    program = "nightlite.ondevice.in_tfx.publish_feed"
    answer(config, f"""[ "$2" = {program} ] && [ "$3" = {MODEL.name} ] && echo '{{"said": "ok", "sequence": 7}}'""")
    assert publish_feed(MODEL.name, config) == 7


def test_before_the_first_release_it_is_skipped(config: Settings) -> None:
    keys.make(config.feed_keys_dir)
    answer(config, """echo '{"said": "no release yet", "sequence": null}'""")
    with pytest.raises(AirflowSkipException, match="no release yet"):
        publish_feed(MODEL.name, config)


def test_its_failure_has_the_reason_and_is_tried_again(config: Settings) -> None:
    keys.make(config.feed_keys_dir)
    answer(config, "echo a warning >&2; echo the disk is full >&2; exit 1")
    with pytest.raises(RuntimeError, match="^the disk is full$"):
        publish_feed(MODEL.name, config)
    found = feed_dag(MODEL.name)
    assert found and found.get_task("Publish").retries == 5


def test_without_its_keys_it_is_not_tried_again(config: Settings) -> None:
    with pytest.raises(AirflowFailException, match="expected the feed's keys in .* Received: none; put them back"):
        publish_feed(MODEL.name, config)


def test_with_an_address_it_uploads_what_was_published_and_a_failure_is_told(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.make(config.feed_keys_dir)
    found = feed_dag(MODEL.name)
    assert found and found.task_ids == ["Publish"]
    monkeypatch.setenv("NIGHTLITE_FEED_URL", f"file://{tmp_path}/www")
    forget_settings()
    found = feed_dag(MODEL.name)
    assert found
    upload = found.get_task("Upload")
    assert upload.upstream_task_ids == {"Publish"} and upload.retries == 5
    assert [task.on_failure_callback for task in found.tasks] == [[tell_of_failed_task]] * 2
    published = config.folders(MODEL.name).feed / "stable" / "latest.json"
    published.parent.mkdir(parents=True)
    config.folders(MODEL.name).root.mkdir()
    now = datetime.now(UTC)
    document = Document(model=MODEL.name, channel="stable", sequence=7, issued=now, expires=now, key_id="k", offers=())
    published.write_text(document.model_dump_json())
    published.with_name("latest.json.sig").write_text("a signature\n")
    assert not uploaded.is_noted(config.folders(MODEL.name), document)
    assert upload.python_callable(f"file://{tmp_path}/www") == {"written": 2, "kept": 0}
    assert (tmp_path / "www" / MODEL.name / "stable" / "latest.json").read_text() == document.model_dump_json()
    # A roll-out goes on only then.
    assert uploaded.is_noted(config.folders(MODEL.name), document)
