"""Checks of the feeds that phones read: signature, age, expiry."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from nightlite.deployment.installation.check import Check, failed, ok, warning
from nightlite.deployment.models import names
from nightlite.errors import NightliteError
from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.folder import FeedFolder
from nightlite.ondevice.rollout.state import CHANNELS
from nightlite.ondevice.settings import Settings, is_enabled

SOON = timedelta(days=2)
# Its DAG publishes each day.
OLD = timedelta(days=2)
_PUBLISH = "nightlite feed publish --model {}"


def feeds(config: Settings, now: datetime | None = None) -> Iterator[Check]:
    """Check every model's feed, or say that there are none."""
    if not config.has_feeds:
        yield ok("feed", "not used: there are no keys ('nightlite feed keys' makes them)")
        return
    present = now or datetime.now(UTC)
    for model in names():
        if not is_enabled(model):
            continue
        name, to_do = f"feed of {model}", f"'{_PUBLISH.format(model)}'"
        try:
            yield _of_model(config, model, name, to_do, present)
        except (NightliteError, OSError) as error:
            yield failed(name, str(error), to_do)


def _of_model(config: Settings, model: str, name: str, to_do: str, now: datetime) -> Check:
    ours, folder = keys.read(config.feed_keys_dir), FeedFolder(config.folders(model).feed)
    documents = {channel: folder.read(channel, ours) for channel in CHANNELS}
    missing = [channel for channel, signed in documents.items() if signed is None]
    if len(missing) == len(CHANNELS):
        return warning(name, "never published, or not signed by a key of ours", to_do)
    if missing:
        return failed(name, f"no document of {', '.join(missing)} that a key of ours signed", to_do)
    oldest = min((signed.document for signed in documents.values() if signed), key=lambda document: document.expires)
    age, left = now - oldest.issued, oldest.expires - now
    found = f"{age.total_seconds() / 3600:.0f} hours old, good until {oldest.expires:%Y-%m-%d %H:%M} UTC"
    if oldest.is_expired(now):
        return failed(name, f"EXPIRED: {found}; phones refuse it", to_do)
    if left < SOON or age > OLD:
        return warning(name, found, f"look whether the DAG {model}_feed runs; {to_do} publishes now")
    return ok(name, found)
