"""What a publication writes, and what a phone finds at each step of it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.publish import publish
from tests.ondevice.feed.made_feed import MadeFeed, signers


@pytest.fixture
def feed(tmp_path: Path) -> MadeFeed:
    made = MadeFeed(tmp_path / "tiny")
    made.release("one")
    return made


def test_the_document_says_what_docs_feed_md_says(feed: MadeFeed) -> None:
    feed.publish()
    said = feed.document()
    offer = said.pop("offers")[0]
    assert said == {
        "schema_version": 1,
        "model": "tiny",
        "channel": "stable",
        "sequence": 1790769600,
        "issued": "2026-09-30T12:00:00Z",
        "expires": "2026-10-04T12:00:00Z",
        "key_id": feed.keys.current,
    }
    sha256 = hashlib.sha256(b"one").hexdigest()
    assert {**offer, "labels": 0, "manifest": 0} == {
        "sha256": sha256,
        "size": 3,
        "url": f"files/{sha256}.1.tflite",
        "version": 1,
        "golden": None,
        "labels": 0,
        "manifest": 0,
        "least_app_version": 1,
        "least_runtime_version": "",
        "share_permille": 1000,
    }


def test_every_named_file_is_there_and_is_the_releases_own(feed: MadeFeed) -> None:
    feed.publish()
    [offer] = feed.document("beta")["offers"]
    for name, file in {
        "model.tflite": offer,
        "labels.txt": offer["labels"],
        "manifest.json": offer["manifest"],
    }.items():
        content = (feed.folder / file["url"]).read_bytes()
        assert content == (feed.releases.folder / "1" / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["size"], file["sha256"])


def test_both_channels_share_a_sequence_that_grows_also_within_a_second(feed: MadeFeed) -> None:
    feed.publish()
    first = feed.document()["sequence"]
    feed.publish()
    assert (feed.document()["sequence"], feed.document("beta")["sequence"]) == (first + 1, first + 1)


def test_the_sequence_grows_after_the_feed_was_lost(feed: MadeFeed) -> None:
    feed.publish()
    feed.publish()
    last = feed.document()["sequence"]
    shutil.rmtree(feed.folder)
    feed.publish(days=1 / 1440)
    assert feed.document()["sequence"] > last


def test_a_clock_that_was_put_back_makes_no_lower_sequence(feed: MadeFeed) -> None:
    feed.publish(days=2)
    last = feed.document()["sequence"]
    feed.publish(days=1)
    assert feed.document()["sequence"] == last + 1


def test_nothing_is_published_before_the_first_release(tmp_path: Path) -> None:
    empty = MadeFeed(tmp_path / "tiny")
    assert publish(empty.releases, empty.folder, empty.keys, empty.settings) is None
    assert not empty.folder.exists()


def test_a_damaged_release_leaves_the_feed_as_it_was(feed: MadeFeed) -> None:
    feed.publish()
    before = feed.content(), feed.signatures()
    version = feed.release("two")
    (feed.releases.folder / str(version) / "model.tflite").write_bytes(b"twO")
    with pytest.raises(ReleaseError, match="Do not use this release"):
        feed.publish(days=1)
    assert (feed.content(), feed.signatures()) == before


def test_a_truncated_file_is_written_again(feed: MadeFeed) -> None:
    feed.publish()
    file = feed.folder / feed.document()["offers"][0]["url"]
    file.write_bytes(b"o")
    feed.publish()
    assert file.read_bytes() == b"one"


def test_files_stay_for_a_week_after_their_last_offer(feed: MadeFeed) -> None:
    feed.publish()
    old = feed.folder / feed.document()["offers"][0]["url"]
    feed.publish(days=20)
    feed.release("two")
    feed.releases.prune(1, who="a test", why="a phone needs no release's folder")
    feed.publish(days=21)
    assert feed.publish(days=27).removed == ()
    assert old.exists()
    assert len(feed.publish(days=28).removed) == 3
    assert not old.exists()
    named = {feed.folder / file["url"] for offer in feed.document()["offers"] for file in (offer, offer["manifest"])}
    assert all(path.exists() for path in named)


class _KilledError(Exception):
    """Stands for a kill."""


def test_a_reader_finds_a_signed_document_at_each_step_of_a_publication(
    feed: MadeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.publish()
    feed.release("two")
    trusted = keys.public_keys(feed.keys.app_keys.read_bytes())
    write, seen = durable.write, []

    def look(path: Path, content: bytes, mode: int = 0o666) -> None:
        write(path, content, mode)
        for channel in ("beta", "stable"):
            assert signers(feed.content(channel), feed.signatures(channel), trusted) == {feed.keys.current}, path
            for offer in feed.document(channel)["offers"]:
                assert (feed.folder / offer["url"]).exists()
        seen.append(path.name)

    monkeypatch.setattr(durable, "write", look)
    feed.publish(days=1)
    assert seen[-5:] == [*["latest.json.sig", "latest.json"] * 2, "timestamp.json"]


@pytest.mark.parametrize("step", range(9))
def test_a_publication_that_was_killed_is_completed_by_the_next(
    feed: MadeFeed, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.publish()
    feed.release("two")
    trusted = keys.public_keys(feed.keys.app_keys.read_bytes())
    with monkeypatch.context() as context:
        context.setattr(durable, "write", _killed_after(step, durable.write))
        with pytest.raises(_KilledError):
            feed.publish(days=1)
    killed = feed.content("stable")
    feed.publish(days=2)
    # A phone may have fetched the killed publication's document, and fetches the signatures only now.
    assert signers(killed, feed.signatures(), trusted) == {feed.keys.current}
    assert signers(feed.content(), feed.signatures(), trusted) == {feed.keys.current}
    assert [offer["version"] for offer in feed.document()["offers"]] == [2]
    assert len(feed.signatures().splitlines()) == 2


def _killed_after(steps: int, write: Callable[[Path, bytes, int], None]) -> Callable[[Path, bytes], None]:
    done: list[Path] = []

    def killed(path: Path, content: bytes, mode: int = 0o666) -> None:
        if len(done) == steps:
            raise _KilledError
        write(path, content, mode)
        done.append(path)

    return killed


def test_a_document_that_none_of_our_keys_signed_is_not_counted(feed: MadeFeed) -> None:
    feed.publish()
    document = {**feed.document(), "sequence": 2**52}
    (feed.folder / "stable" / "latest.json").write_text(json.dumps(document))
    feed.publish()
    assert feed.document()["sequence"] < 2**40
    assert len(feed.signatures().splitlines()) == 1
