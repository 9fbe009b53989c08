"""What is in a bucket at each step of an upload. A folder stands for it, in which a file is replaced whole, too."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nightlite import durable
from nightlite.errors import FeedError
from nightlite.ondevice.feed import keys
from nightlite.ondevice.in_airflow import feed_upload
from tests.ondevice.feed.made_feed import MadeFeed, signers
from tests.ondevice.feed.tuf_phone import tufs_versions

CHANNELS = ("beta", "stable")
State = dict[str, bytes]


@pytest.fixture
def feed(tmp_path: Path) -> MadeFeed:
    made = MadeFeed(tmp_path / "tiny", start=datetime.now(UTC))  # the clock that TUF's client has
    made.release("one")
    made.publish()
    return made


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


def upload(feed: MadeFeed, bucket: Path) -> feed_upload.Uploaded:
    return feed_upload.upload(feed.folder, f"file://{bucket}", "tiny")


def state(bucket: Path) -> State:
    folder = bucket / "tiny"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def public(feed: MadeFeed) -> State:
    """Return what phones may see of the local feed."""
    found = {path.relative_to(feed.folder).as_posix(): path for path in feed.folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not path.name.startswith(".")}


def is_whole(feed: MadeFeed, documents: State, signatures: State, files: State) -> bool:
    """Return whether a phone accepts what it finds. The three may be from different moments."""
    for channel in CHANNELS:
        content = documents.get(f"{channel}/latest.json")
        if content is None:
            continue
        if not signers(content, signatures[f"{channel}/latest.json.sig"].decode(), feed.keys.known()):
            return False
        for offer in json.loads(content)["offers"]:
            for file in (offer, offer["labels"], offer["manifest"]):
                assert hashlib.sha256(files[file["url"]]).hexdigest() == file["sha256"]
    return True


@pytest.fixture
def steps(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """Return a list that receives the bucket's state before the first step of an upload, and after each."""
    seen: list[State] = []
    write = durable.write

    def writing(path: Path, content: bytes, mode: int = 0o666) -> None:
        if not seen:
            seen.append(state(bucket))
        write(path, content, mode)
        seen.append(state(bucket))

    monkeypatch.setattr(feed_upload.durable, "write", writing)
    return seen


def missed_none(feed: MadeFeed, bucket: Path) -> None:
    upload(feed, bucket)
    feed.release("two")


def missed_two(feed: MadeFeed, bucket: Path) -> None:
    upload(feed, bucket)
    feed.publish(1)
    feed.release("two")
    feed.publish(2)


@pytest.mark.parametrize("before", [lambda *_: None, missed_none, missed_two], ids=["first", "next", "missed two"])
def test_each_step_leaves_what_phones_accept(
    feed: MadeFeed, bucket: Path, monkeypatch: pytest.MonkeyPatch, before: Callable[[MadeFeed, Path], None]
) -> None:
    before(feed, bucket)
    feed.publish(3)
    first = bucket.with_name("first")
    bucket.mkdir(exist_ok=True)
    bucket.rename(first)
    write = durable.write
    for step in itertools.count():
        shutil.copytree(first, bucket)
        left = itertools.count(step, -1)

        def failing(path: Path, content: bytes, mode: int = 0o666, left: Any = left) -> None:
            if next(left) == 0:
                raise ConnectionError("the server is gone")
            write(path, content, mode)

        monkeypatch.setattr(feed_upload.durable, "write", failing)
        try:
            upload(feed, bucket)
            break
        except FeedError:
            found = state(bucket)
            assert is_whole(feed, found, found, found), f"after {step} steps"
            if "tuf/timestamp.json" in found:
                assert set(tufs_versions(bucket / "tiny", feed.keys.roots()[1])) <= {1, feed.releases.versions()[-1]}
            # Airflow tries again.
            monkeypatch.setattr(feed_upload.durable, "write", write)
            upload(feed, bucket)
            assert state(bucket) == public(feed)
        shutil.rmtree(bucket)
    assert step > 5
    assert state(bucket) == public(feed)


def test_a_document_and_any_later_signature_file_belong_together(
    feed: MadeFeed, bucket: Path, steps: list[State]
) -> None:
    """A phone asks for one after the other, and there may be any number of steps in between."""
    upload(feed, bucket)
    feed.release("two")
    feed.publish(1)
    steps.clear()
    upload(feed, bucket)
    assert len(steps) > 5
    for now, later in itertools.combinations_with_replacement(steps, 2):
        assert is_whole(feed, now, later, later)


def test_an_upload_of_nothing_new_writes_nothing_but_tufs(feed: MadeFeed, bucket: Path) -> None:
    first = upload(feed, bucket)
    assert first.kept == 0
    again = upload(feed, bucket)
    of_content = [name for name in public(feed) if feed_upload.is_named_by_content(name)]
    assert (again.written, again.kept) == (len(public(feed)) - len(of_content) - 4, len(of_content))


def test_a_content_file_of_another_size_is_written_again(feed: MadeFeed, bucket: Path) -> None:
    upload(feed, bucket)
    [model] = (bucket / "tiny/files").glob("*.tflite")
    model.write_bytes(b"")
    upload(feed, bucket)
    assert state(bucket) == public(feed)


def test_a_failure_is_one_sentence_that_says_what_phones_do(feed: MadeFeed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FeedError, match=r"^expected to upload the feed of tiny to file://.*Phones go on") as failed:
        upload(feed, tmp_path / "file")
    assert "\n" not in str(failed.value)


def test_a_bucket_without_its_provider_is_named(feed: MadeFeed) -> None:
    with pytest.raises(FeedError, match="No filesystem registered for scheme gs"):
        feed_upload.upload(feed.folder, "gs://bucket", "tiny")


def test_a_new_root_comes_last_but_the_timestamp_that_it_needs(
    feed: MadeFeed, bucket: Path, steps: list[State]
) -> None:
    upload(feed, bucket)
    keys.rotate(feed.keys.folder)
    feed.publish()
    steps.clear()
    upload(feed, bucket)
    assert "tuf/2.root.json" in steps[-1]
    assert ["tuf/2.root.json" in there for there in steps[-3:]] == [False, True, True]
    assert steps[-2]["tuf/timestamp.json"] != steps[-1]["tuf/timestamp.json"]
