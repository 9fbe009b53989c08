"""Publication of a model's feed for programs: what the feed's DAG runs in this environment.

    python -m nightlite.ondevice.in_tfx.publish_feed MODEL

Only this environment can check the releases' signatures. It prints one JSON object: `said`, a sentence for people,
and `sequence`, null before the first release. Exit code 1: the last line on standard error says why.
"""

import json
import sys

from nightlite.errors import NightliteError
from nightlite.ondevice.feed import keys, uploaded
from nightlite.ondevice.feed.document import Document
from nightlite.ondevice.feed.folder import FeedFolder
from nightlite.ondevice.feed.publish import Published, publish
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.plan import FULL, percent
from nightlite.ondevice.settings import Settings, rollout_plan, settings
from nightlite.settings_file import read_settings_file


def renew(model: str, config: Settings) -> Published | None:
    """Take the next step of a roll-out if it is due, and publish. Return what was written.

    Raises:
      FeedError, ReleaseError: as `publish_now`.
      SettingsError: the model's plan of roll-outs is malformed.
    """
    folders = config.folders(model)
    now_told = FeedFolder(folders.feed).read("stable", keys.read(config.feed_keys_dir))
    # Phones of a bucket whose upload failed never saw the present step.
    if now_told and config.feed_url and not uploaded.is_noted(folders, now_told.document):
        now_told = None
    shares = {offer.version: offer.share_permille for offer in now_told.document.offers} if now_told else {}
    Releases(folders.releases).grow(rollout_plan(model), published=shares, who="the feed's renewal")
    return publish_now(model, config)


def publish_now(model: str, config: Settings) -> Published | None:
    """Publish the feed of the model of that name. Return what was written, or None before the first release.

    Raises:
      FeedError: there are no keys, or the feed cannot be written.
      ReleaseError: an offered release is missing or damaged.
    """
    folders = config.folders(model)
    return publish(Releases(folders.releases), folders.feed, keys.read(config.feed_keys_dir), config)


def publish_by_hand(model: str, config: Settings) -> str:
    """Publish the feed of the model of that name. Return what that did, and what is left to do, in words.

    Raises:
      FeedError, ReleaseError: as `publish_now`.
    """
    said = sentence(model, publish_now(model, config))
    return f"{said}\n{config.feed_url} gets it from the DAG {model}_feed: trigger that now" if config.feed_url else said


def sentence(model: str, published: Published | None) -> str:
    """Return what a publication did, in words."""
    if published is None:
        return f"{model}: no release yet, so there is nothing to publish"
    channels = (f"{channel} offers {_offers(document)}" for channel, document in published.documents.items())
    return f"{model}: published sequence {published.sequence}; {'; '.join(channels)}"


def _offers(document: Document) -> str:
    shares = (
        f"{offer.version}" if offer.share_permille == FULL else f"{offer.version} to {percent(offer.share_permille)}"
        for offer in document.offers
    )
    return ", ".join(shares) or "none"


def main(arguments: list[str]) -> int:
    [model] = arguments
    read_settings_file()
    try:
        published = renew(model, settings())
    except NightliteError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"said": sentence(model, published), "sequence": published.sequence if published else None}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
