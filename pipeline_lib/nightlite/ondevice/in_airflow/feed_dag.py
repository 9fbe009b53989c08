"""The DAG that publishes a model's feed: each day, and at once when there is a release."""

import json
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from nightlite.ondevice.in_airflow.notice.task import tell_of_failed_task
from nightlite.ondevice.in_airflow.schedule import node_limits
from nightlite.ondevice.model import releases_asset
from nightlite.ondevice.settings import Settings, settings

# After the nightly runs, and before people are there to mend what failed.
_DAILY = "0 5 * * *"
_PUBLISH = "nightlite.ondevice.in_tfx.publish_feed"
_DOCS = """
Publishes the feed that phones read: `var/feed/{name}/`, described in `docs/feed.md`.

It runs when the Asset `{asset}` tells of a release, and each day also without one, because a feed that is not renewed
expires after four days. Phones then keep the model that they have. *Publish* ends skipped before the first release.
With `NIGHTLITE_FEED_URL`, *Upload* copies the feed to a bucket. A bucket whose upload failed still has the feed before.
"""


def feed_dag(name: str) -> DAG | None:
    """Return the DAG that publishes a model's feed, or None without keys.

    It needs the model's name alone. A broken declaration ends neither the renewal nor a halt.

    Args:
      name: the model's.

    Raises:
      SettingsError: a setting is malformed.
    """
    config = settings()
    if not config.has_feeds:
        return None
    with DAG(
        dag_id=f"{name}_feed",
        description="Publish the releases to phones",
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable(_DAILY, timezone=config.timezone), assets=[Asset(releases_asset(name))]
        ),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=[name, "tflite"],
        default_args={"owner": "nightlite", "on_failure_callback": tell_of_failed_task},
        doc_md=_DOCS.format(name=name, asset=releases_asset(name)),
    ) as dag:
        _add_tasks(name, config)
    return dag


def _add_tasks(name: str, config: Settings) -> None:
    # A missed renewal costs phones nothing for days, so there is time to try again later.
    limits: dict[str, Any] = {
        "retries": 5,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "execution_timeout": node_limits(config).execution_timeout,
    }

    @task(task_id="Publish", **limits)
    def publish() -> int:
        """Write the feed. The sequence is the XCom."""
        return publish_feed(name, config)

    @task(task_id="Upload", **limits)
    def upload(url: str) -> dict[str, int]:
        """Make a bucket say what the feed says. The numbers of files are the XCom."""
        # The DAG processor needs none of it.
        from nightlite.ondevice.feed import uploaded
        from nightlite.ondevice.in_airflow import feed_upload

        folders = config.folders(name)
        document = uploaded.document_in(folders.feed)
        done = feed_upload.upload(folders.feed, url, name)
        uploaded.note(folders, document)
        print(f"{name}: {done.written} files written to {url}, {done.kept} were there")
        return {"written": done.written, "kept": done.kept}

    published = publish()
    if config.feed_url:
        published >> upload(config.feed_url)


def publish_feed(name: str, config: Settings) -> int:
    """Publish the feed in the TFX environment. Return its sequence.

    Raises:
      AirflowSkipException: there is no release yet.
      AirflowFailException: there are no keys any longer.
      RuntimeError: it failed, with the reason.
    """
    if not config.has_feeds:
        raise AirflowFailException(f"expected the feed's keys in {config.feed_keys_dir}. Received: none; put them back")
    from nightlite.ondevice.in_airflow import tfx_program  # no parse of the DAG needs it

    done = tfx_program.run(config, _PUBLISH, name)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"the publication ended with exit code {done.returncode}")
    answer = json.loads(done.stdout)
    print(answer["said"])
    if answer["sequence"] is None:
        raise AirflowSkipException(answer["said"])
    return int(answer["sequence"])
