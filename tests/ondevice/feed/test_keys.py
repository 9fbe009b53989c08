"""Keys of the feed, and their rotation."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from nightlite.errors import FeedError
from nightlite.ondevice.feed import keys
from tests.ondevice.feed.made_feed import MadeFeed, signers


def app_keys(made: keys.FeedKeys) -> list[str]:
    """Return the ids of the keys that an app ships."""
    return list(keys.public_keys(made.app_keys.read_bytes()))


def test_they_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "keys")
    assert keys.make(tmp_path / "keys") == made
    assert app_keys(made) == [made.current, made.next]
    for name in (made.current, made.next):
        assert (tmp_path / "keys" / f"{name}.pem").stat().st_mode & 0o777 == 0o600


def test_there_are_none_until_they_are_made(tmp_path: Path) -> None:
    assert not keys.exist(tmp_path)
    with pytest.raises(FeedError, match="Received: none; make them with 'nightlite feed keys'"):
        keys.read(tmp_path)


def test_a_rotation_makes_the_next_key_the_current_one_and_removes_the_old_secret(tmp_path: Path) -> None:
    old = keys.make(tmp_path / "keys")
    new = keys.rotate(tmp_path / "keys")
    assert (new.current, new.next in (old.current, old.next)) == (old.next, False)
    assert app_keys(new) == [new.current, new.next]
    assert not (tmp_path / "keys" / f"{old.current}.pem").exists()
    assert set(new.known()) == {old.current, new.current, new.next}


def test_a_second_rotation_waits_until_apps_are_updated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.make(tmp_path / "keys")
    once = keys.rotate(tmp_path / "keys")
    with pytest.raises(FeedError, match="expected 30 days since the last rotation. Received: one of 20.*locks out"):
        keys.rotate(tmp_path / "keys")
    assert keys.read(tmp_path / "keys") == once
    assert (tmp_path / "keys" / f"{once.current}.pem").exists()
    assert keys.rotate(tmp_path / "keys", again=True).current == once.next
    monkeypatch.setattr(keys, "REST", timedelta(0))
    keys.rotate(tmp_path / "keys")


def test_keys_of_before_times_were_written_can_be_rotated(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "keys")
    file = made.folder / "keys.json"
    state = json.loads(file.read_text())
    del state["rotated"]
    file.write_text(json.dumps(state))
    assert keys.rotate(made.folder).current == made.next


def test_a_next_key_that_is_kept_elsewhere_is_missed_by_a_rotation_alone(tmp_path: Path) -> None:
    feed = MadeFeed(tmp_path / "tiny")
    feed.release("one")
    made = feed.keys
    secret = made.folder / f"{made.next}.pem"
    away = secret.rename(tmp_path / "safe.pem")
    feed.publish()
    with pytest.raises(FeedError, match=f"{made.next}.pem: expected a key of the feed. Received: No such file"):
        keys.rotate(made.folder)
    assert keys.read(made.folder) == made
    away.rename(secret)
    assert keys.rotate(made.folder).current == made.next


def test_a_lost_current_key_is_replaced_by_a_rotation(tmp_path: Path) -> None:
    feed = MadeFeed(tmp_path / "tiny")
    feed.release("one")
    feed.publish()
    made = feed.keys
    (made.folder / f"{made.current}.pem").unlink()
    with pytest.raises(FeedError, match=f"{made.current}.pem: expected a key of the feed. Received: No such file"):
        feed.publish()
    keys.rotate(made.folder)
    feed.publish()
    assert signers(feed.content(), feed.signatures(), made.known()) == {made.next}


def test_another_key_under_its_name_is_refused(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "keys")
    (made.folder / f"{made.next}.pem").rename(made.folder / f"{made.current}.pem")
    with pytest.raises(FeedError, match=f"expected the key with the id {made.current}. Received: another"):
        made.private(made.current)


def test_a_public_key_of_another_kind_is_refused() -> None:
    with pytest.raises(FeedError, match="expected public keys in PEM. Received: none"):
        keys.public_keys(b"no key")


def test_an_app_with_the_two_keys_of_before_goes_on_over_one_rotation_and_not_over_two(tmp_path: Path) -> None:
    feed = MadeFeed(tmp_path / "tiny")
    feed.release("one")
    shipped = keys.public_keys(feed.keys.app_keys.read_bytes())
    feed.publish()
    assert signers(feed.content(), feed.signatures(), shipped) == {feed.keys.current}
    before, first = feed.content(), feed.keys
    keys.rotate(feed.keys.folder)
    feed.publish()
    assert feed.document()["key_id"] == first.next
    assert signers(feed.content(), feed.signatures(), shipped) == {first.next}
    # A phone that fetched the document before the rotation finds its signature, too.
    assert signers(before, feed.signatures(), shipped) == {first.current}
    keys.rotate(feed.keys.folder, again=True)
    feed.publish()
    assert signers(feed.content(), feed.signatures(), shipped) == set()


def test_the_sequence_grows_over_a_rotation(tmp_path: Path) -> None:
    feed = MadeFeed(tmp_path / "tiny")
    feed.release("one")
    feed.publish(days=9)
    last = feed.document()["sequence"]
    keys.rotate(feed.keys.folder)
    feed.publish(days=1)
    assert feed.document()["sequence"] == last + 1
