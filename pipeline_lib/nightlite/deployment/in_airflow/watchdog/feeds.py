"""Findings on the feeds that phones read: one that was not renewed, and a roll-out that stands still.

Feeds and releases are found by their folders. No declaration of a model is read, so a broken one hides nothing.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from nightlite.deployment.in_airflow.watchdog.findings import PATIENCE, PIPELINE, Finding
from nightlite.errors import ReleaseError
from nightlite.ondevice.feed.document import DOCUMENT_FILE, Document
from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.report_files import RELEASES_ROUTE
from nightlite.ondevice.rollout.plan import percent

# It is renewed once a night.
LATE = timedelta(days=1) + PATIENCE
FEED = "_feed"


def look_at_feeds(var_dir: Path, now: datetime, since: datetime, nights: int) -> list[Finding]:
    """Return the findings on all models' feeds.

    Args:
      var_dir: the state folder.
      now: the present time.
      since: when the watchdog last looked.
      nights: a roll-out's nights without a step that are told; 0: none.
    """
    found: list[Finding] = []
    for folder in sorted((var_dir / "feed").glob("*/")):
        found += _not_renewed(folder, now)
        found += _stands_still(ModelFolders(var_dir / folder.name), now, since, nights) if nights else []
    return found


def _not_renewed(folder: Path, now: datetime) -> Iterator[Finding]:
    """Yield a finding if a night was missed. The channels are published together, so one is told."""
    about, model = f"{folder.name}{FEED}", folder.name
    for path in sorted(folder.glob(f"*/{DOCUMENT_FILE}")):
        try:
            document = Document.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
            yield Finding(about=about, text=f"has a document that no phone can read: {path}: {why}", path=_page(about))
            return
        if now - document.issued > LATE:
            after = "have taken nothing new since" if now >= document.expires else "take nothing new after"
            yield Finding(
                about=about,
                text=f"was not renewed: the feed of {model} is of {_time(document.issued)}, "
                f"and phones {after} {_time(document.expires)}",
                path=_page(about),
            )
            return


def _stands_still(folders: ModelFolders, now: datetime, looked: datetime, nights: int) -> Iterator[Finding]:
    """Yield a finding if so many nights without a step, or a multiple, have passed since the watchdog looked."""
    try:
        state = ReleaseReader(folders.releases).state()
    except ReleaseError:
        return  # the next run's Pusher fails with that
    coming = state.rolling.version if state.rolling else state.waiting[-1] if state.waiting else None
    if coming is None or state.since is None:
        return
    without, before = (now - state.since).days, max(0, (looked - state.since).days)
    if without // nights <= before // nights:
        return
    share = f"is at {percent(state.rolling.permille)}" if state.rolling else "waits"
    name = folders.root.name
    yield Finding(
        about=f"{name}{PIPELINE}",
        text=f"has a roll-out that stands still: release {coming} {share} since {_time(state.since)}. "
        f"'nightlite models rollout --model {name} {coming} --percent 100' gives it to all phones",
        path=f"{_page(name + PIPELINE)}/plugin/{RELEASES_ROUTE}",
    )


def _page(dag_id: str) -> str:
    return f"/dags/{dag_id}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
