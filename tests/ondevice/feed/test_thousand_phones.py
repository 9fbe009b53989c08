"""A thousand installations through a staged release, its growth, a halt, a rollback and a rotation of the keys.

Each asks the published documents as docs/feed.md says. tests/ondevice/feed_client has both clients' own lives.
"""

import hashlib
from pathlib import Path

import pytest

from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.choice import chosen
from nightlite.ondevice.feed.folder import FeedFolder
from nightlite.ondevice.rollout.plan import Plan
from nightlite.ondevice.rollout.state import Channel
from tests.ondevice.feed.made_feed import MadeFeed
from tests.ondevice.releases.made_releases import push

PLAN = Plan((100, 500))
PHONES = [f"phone-{number}" for number in range(1000)]


@pytest.fixture
def feed(tmp_path: Path) -> MadeFeed:
    made = MadeFeed(tmp_path / "tiny")
    push(made.releases, "model 1", "run-1", PLAN)
    return made


def having(feed: MadeFeed, channel: Channel = "stable", app: int = 1) -> dict[int, set[str]]:
    """Publish. Return the phones that take each release then."""
    feed.publish()
    signed = FeedFolder(feed.folder).read(channel, feed.keys)
    assert signed
    found: dict[int, set[str]] = {}
    for phone in PHONES:
        offer = chosen(signed.document, installation=phone, app_version=app, runtime_version="litert")
        assert offer
        found.setdefault(offer.version, set()).add(phone)
    return found


def first(version: int, permille: int) -> set[str]:
    """Return the phones that belong to a share, counted without any code of the product."""
    digests = {phone: hashlib.sha256(f"{phone}:{version}".encode()).hexdigest() for phone in PHONES}
    return {phone for phone, digest in digests.items() if int(digest[:16], 16) % 1000 < permille}


def grow(feed: MadeFeed) -> None:
    """Take the next step, a night after the last one was published."""
    shares = {offer["version"]: offer["share_permille"] for offer in feed.document()["offers"]}
    assert feed.releases.grow(PLAN, published=shares, who="feed", now=feed.releases.state().next_at)


def test_shares_are_exactly_what_the_hashes_say_and_no_phone_leaves_as_they_grow(feed: MadeFeed) -> None:
    assert having(feed) == {1: set(PHONES)}
    push(feed.releases, "model 2", "run-2", PLAN)
    tenth = having(feed)
    assert tenth == {2: first(2, 100), 1: set(PHONES) - first(2, 100)}
    assert 50 < len(tenth[2]) < 150
    assert having(feed, "beta") == {2: set(PHONES)}
    grow(feed)
    half = having(feed)
    assert half[2] == first(2, 500) > tenth[2]
    feed.releases.roll_out(2, 800, who="ann", why="well so far")
    most = having(feed)
    assert most[2] == first(2, 800) > half[2]
    grow(feed)
    assert having(feed) == {2: set(PHONES)}


def test_other_phones_are_the_first_of_the_next_release(feed: MadeFeed) -> None:
    second, third = first(2, 100), first(3, 100)
    assert 0 < len(second & third) < len(second) / 2


def test_a_halt_a_rollback_and_a_rotation_reach_every_phone(feed: MadeFeed) -> None:
    push(feed.releases, "model 2", "run-2", PLAN)
    push(feed.releases, "model 3", "run-3", PLAN)
    assert set(having(feed)) == {1, 2} and having(feed, "beta") == {3: set(PHONES)}
    sequence = feed.document()["sequence"]
    feed.releases.halt(2, who="joe", why="crashes")
    assert having(feed) == {1: set(PHONES)}
    assert feed.document()["sequence"] > sequence
    grow(feed)
    assert having(feed) == {3: first(3, 100), 1: set(PHONES) - first(3, 100)}
    keys.rotate(feed.settings.feed_keys_dir)
    assert having(feed) == {3: first(3, 100), 1: set(PHONES) - first(3, 100)}
    feed.releases.rollback(1, who="joe", why="3 crashes, too")
    assert having(feed) == having(feed, "beta") == {1: set(PHONES)}
    feed.releases.roll_out(2, 1000, who="joe", why="it was the app")
    assert having(feed) == having(feed, "beta") == {2: set(PHONES)}


def test_phones_of_the_replaced_release_go_to_the_new_one_or_back(feed: MadeFeed) -> None:
    replacing = Plan(PLAN.steps, "replace")
    for number in (2, 3):
        push(feed.releases, f"model {number}", f"run-{number}", replacing)
        found = having(feed)
    assert found == {3: first(3, 100), 1: set(PHONES) - first(3, 100)}


def test_an_app_too_old_for_a_release_keeps_the_one_before_it_at_each_step(feed: MadeFeed) -> None:
    push(feed.releases, "model 2", "run-2", PLAN, least_app_version=2)
    for share in (100, 500, 1000):
        assert having(feed) == {1: set(PHONES)}
        new = having(feed, app=2)
        assert new[2] == first(2, share) and set(new) <= {1, 2}
        if share < 1000:
            grow(feed)
