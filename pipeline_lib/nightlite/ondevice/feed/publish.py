"""Publication of a model's feed: a function of its releases, the time, the keys and the feed as it was.

The order makes it atomic: files that no document names yet, then of each channel the signatures and the
document, then TUF's timestamp.
A reader, or a kill after any step, finds the old or the new state. The next publication completes or repeats it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nightlite.errors import FeedError
from nightlite.locks import lock
from nightlite.ondevice.feed import signature
from nightlite.ondevice.feed.document import VALID_FOR, Document, Offer
from nightlite.ondevice.feed.folder import FeedFolder, Signed
from nightlite.ondevice.feed.keys import FeedKeys
from nightlite.ondevice.feed.tuf_metadata import TufFolder
from nightlite.ondevice.releases.checked import checked
from nightlite.ondevice.releases.offers import offers as releases_of
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.rollout.state import CHANNELS, Channel
from nightlite.ondevice.settings import Settings


@dataclass(frozen=True)
class Published:
    """Result of a publication."""

    documents: Mapping[Channel, Document]
    removed: tuple[str, ...]

    @property
    def sequence(self) -> int:
        """Return the sequence, which all channels of a publication share."""
        return max(document.sequence for document in self.documents.values())


def publish(
    releases: ReleaseReader, folder: Path, keys: FeedKeys, settings: Settings, now: datetime | None = None
) -> Published | None:
    """Write the feed. Return what was written, or None before the first release.

    Args:
      folder: the feed's. It is made if missing.

    Raises:
      ReleaseError: an offered release is missing or damaged. The feed is unchanged.
      FeedError: a key is missing, or the feed cannot be written.
    """
    if not releases.versions():
        return None
    feed, when = FeedFolder(folder), (now or datetime.now(UTC)).replace(microsecond=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder, waiting_for="another publication"):
            feed.make()
            return _publish(releases, feed, keys, settings, when)
    except OSError as error:
        where = error.filename2 or error.filename or folder
        raise FeedError(f"{where}: the feed cannot be written: {error.strerror or error}") from None


def _publish(releases: ReleaseReader, feed: FeedFolder, keys: FeedKeys, settings: Settings, now: datetime) -> Published:
    key = keys.private(keys.current)
    before = {channel: feed.read(channel, keys) for channel in CHANNELS}
    offers = _offers(releases, feed, settings)
    sequence = next_sequence(before.values(), now)
    documents = {
        channel: Document(
            model=releases.model,
            channel=channel,
            sequence=sequence,
            issued=now,
            expires=now + VALID_FOR,
            key_id=keys.current,
            offers=offers[channel],
        )
        for channel in CHANNELS
    }
    contents = {channel: f"{documents[channel].model_dump_json(indent=1)}\n".encode() for channel in CHANNELS}
    tuf = TufFolder(feed.path, key)
    for channel, content in contents.items():
        feed.archive(channel, content)
    timestamp = tuf.prepare(documents, contents)
    for channel, content in contents.items():
        old = before[channel]
        feed.write(channel, content, [signature.sign(content, key), *(old.signatures if old else ())])
    tuf.finish(keys.roots(), timestamp)
    removed, sequences = feed.remove_old(now)
    tuf.remove_all_but(sequences)
    return Published(documents, tuple(removed))


def _offers(releases: ReleaseReader, feed: FeedFolder, settings: Settings) -> dict[Channel, tuple[Offer, ...]]:
    """Return the offers of each channel, whose files are in the feed then. Each release is checked once."""
    offers: dict[int, Offer] = {}
    found = {channel: releases_of(releases, channel) for channel in CHANNELS}
    for item in (item for items in found.values() for item in items):
        if item.version not in offers:
            with checked(item.release, settings) as (copy, _):
                offers[item.version] = feed.add(copy)
    return {
        channel: tuple(offers[item.version].model_copy(update={"share_permille": item.permille}) for item in items)
        for channel, items in found.items()
    }


def next_sequence(before: Iterable[Signed | None], now: datetime) -> int:
    """Return a sequence above all that phones may have seen, also if the feed's folder was lost.

    There are fewer publications than seconds, so the time is above the sequences of a lost folder.
    """
    last = max((signed.document.sequence for signed in before if signed), default=0)
    return max(last + 1, int(now.timestamp()))
