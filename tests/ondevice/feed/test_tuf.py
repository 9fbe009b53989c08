"""TUF's own client against a feed, over HTTP, and every attack that the client refuses."""

import json
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    ExpiredMetadataError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata
from tuf.ngclient import Updater

from nightlite import durable
from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.tuf_root import root
from tests.ondevice.feed.made_feed import MadeFeed


class Handler(SimpleHTTPRequestHandler):
    """A web server as any other, without its log."""

    def log_message(self, *args: Any) -> None:
        """Write nothing."""


class Phone:
    """An app with TUF's client, which ships the root of the day it was built."""

    def __init__(self, folder: Path, feed: MadeFeed, url: str) -> None:
        self.metadata, self.targets, self.url = folder / "metadata", folder / "targets", url
        self.metadata.mkdir(parents=True)
        self.targets.mkdir()
        self.root = feed.keys.roots()[feed.keys.root]

    def fetch(self) -> tuple[int, bytes]:
        """Return the version and the content of the first offer on stable."""
        updater = Updater(
            str(self.metadata), f"{self.url}/tuf/", str(self.targets), f"{self.url}/", bootstrap=self.root
        )
        updater.refresh()
        [first, *_] = json.loads(self._target(updater, "stable/latest.json"))["offers"]
        version: int = first["version"]
        assert updater.get_targetinfo(f"files/{version}.tflite").custom["share_permille"]["stable"] == 1000
        return version, self._target(updater, f"files/{version}.tflite")

    @staticmethod
    def _target(updater: Updater, name: str) -> bytes:
        found = updater.get_targetinfo(name)
        assert found
        return Path(updater.download_target(found)).read_bytes()


@pytest.fixture
def feed(tmp_path: Path) -> MadeFeed:
    made = MadeFeed(tmp_path / "tiny", start=datetime.now(UTC))
    made.release("one")
    made.publish()
    return made


@pytest.fixture
def phone(tmp_path: Path, feed: MadeFeed) -> Iterator[Phone]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(feed.folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Phone(tmp_path / "phone", feed, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def edit(feed: MadeFeed, name: str, **fields: Any) -> None:
    """Change a file of TUF's metadata, without a signature."""
    path = feed.folder / "tuf" / name
    said = json.loads(path.read_text())
    said["signed"] |= fields
    path.write_text(json.dumps(said))


def test_a_client_gets_each_release_and_goes_back_with_a_rollback(feed: MadeFeed, phone: Phone) -> None:
    assert phone.fetch() == (1, b"one")
    feed.release("two")
    assert phone.fetch() == (1, b"one")
    feed.publish()
    assert phone.fetch() == (2, b"two")
    feed.releases.rollback(1, who="a test", why="two is slow")
    feed.publish()
    assert phone.fetch() == (1, b"one")


def test_a_client_follows_any_number_of_rotations(feed: MadeFeed, phone: Phone) -> None:
    for number in range(2, 5):
        keys.rotate(feed.keys.folder, again=True)
        feed.release(f"of key {number}")
        feed.publish()
        if number != 3:  # it was off meanwhile
            assert phone.fetch() == (number, f"of key {number}".encode())
    assert Phone(phone.metadata / "new app", feed, phone.url).fetch()[0] == 4


def test_a_client_finds_the_old_or_the_new_state_at_each_step_of_a_publication(
    feed: MadeFeed, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.release("two")
    write, seen = durable.write, []

    def look(path: Path, content: bytes, mode: int = 0o666) -> None:
        write(path, content, mode)
        seen.append(phone.fetch()[0])

    monkeypatch.setattr(durable, "write", look)
    feed.publish()
    assert seen == [*[1] * (len(seen) - 1), 2]
    assert len(seen) > 8


def test_a_client_is_refused_in_the_instant_of_a_rotation_and_goes_on_after_it(
    feed: MadeFeed, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert phone.fetch()[0] == 1
    keys.rotate(feed.keys.folder)
    write = durable.write

    def look(path: Path, content: bytes, mode: int = 0o666) -> None:
        write(path, content, mode)
        if path.name == "2.root.json":
            with pytest.raises(UnsignedMetadataError):
                phone.fetch()
        else:
            assert phone.fetch()[0] == 1

    monkeypatch.setattr(durable, "write", look)
    feed.publish()
    assert phone.fetch()[0] == 1


def test_new_keys_after_a_loss_of_all_serve_new_apps(tmp_path: Path, feed: MadeFeed, phone: Phone) -> None:
    keys.rotate(feed.keys.folder)
    feed.publish()
    shutil.rmtree(feed.keys.folder)
    feed.publish()
    with pytest.raises(UnsignedMetadataError):
        phone.fetch()
    assert Phone(tmp_path / "new app", feed, phone.url).fetch() == (1, b"one")


def test_a_rotation_without_a_publication_changes_nothing(feed: MadeFeed, phone: Phone) -> None:
    keys.rotate(feed.keys.folder)
    assert phone.fetch() == (1, b"one")


def test_a_replay_is_refused(feed: MadeFeed, phone: Phone) -> None:
    old = (feed.folder / "tuf" / "timestamp.json").read_bytes()
    feed.publish()
    assert phone.fetch()[0] == 1
    (feed.folder / "tuf" / "timestamp.json").write_bytes(old)
    with pytest.raises(BadVersionNumberError):
        phone.fetch()


def test_a_frozen_feed_is_seen(tmp_path: Path, feed: MadeFeed, phone: Phone) -> None:
    frozen = MadeFeed(feed.root, start=feed.start - timedelta(days=5))
    shutil.rmtree(feed.folder / "tuf")
    shutil.rmtree(feed.folder / "stable")
    shutil.rmtree(feed.folder / "beta")
    frozen.publish()
    with pytest.raises(ExpiredMetadataError):
        phone.fetch()


def test_a_forgery_is_refused(feed: MadeFeed, phone: Phone) -> None:
    edit(feed, "timestamp.json", version=2**40)
    with pytest.raises(UnsignedMetadataError):
        phone.fetch()


def test_another_key_is_refused(feed: MadeFeed, phone: Phone) -> None:
    path = feed.folder / "tuf" / "timestamp.json"
    metadata = Metadata.from_file(str(path))
    metadata.signed.version += 1
    metadata.sign(CryptoSigner.generate_ecdsa())
    metadata.to_file(str(path))
    with pytest.raises(UnsignedMetadataError):
        phone.fetch()


def test_a_stolen_current_key_makes_no_root(feed: MadeFeed, phone: Phone) -> None:
    stolen = feed.keys.private(feed.keys.current)
    forged = root(
        2, current=stolen.public_key(), following=stolen.public_key(), signers=[stolen], now=datetime.now(UTC)
    )
    (feed.folder / "tuf" / "2.root.json").write_bytes(forged)
    with pytest.raises(UnsignedMetadataError):
        phone.fetch()


@pytest.mark.parametrize("damage", [b"", b"on", b"onE", b"one more"], ids=["empty", "truncated", "swapped", "longer"])
def test_another_content_is_refused(feed: MadeFeed, phone: Phone, damage: bytes) -> None:
    [file] = feed.folder.glob("files/*.tflite")
    file.write_bytes(damage)
    with pytest.raises((RepositoryError, DownloadError)):
        phone.fetch()
    assert not list(phone.targets.glob("*tflite"))


def test_the_metadata_of_publications_older_than_the_grace_is_removed(feed: MadeFeed) -> None:
    for day in (1, 9, 10):
        feed.publish(days=day)
    found = {path.name.partition(".")[2] for path in (feed.folder / "tuf").iterdir()}
    assert found == {"root.json", "targets.json", "snapshot.json", "json"}
    assert len(list((feed.folder / "tuf").glob("*.targets.json"))) == 2
