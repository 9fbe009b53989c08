"""A client that fetches all the while two hundred publications are made by another process, over HTTP."""

import contextlib
import functools
import hashlib
import http.server
import json
import multiprocessing
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
from tuf.ngclient import Updater

from nightlite.ondevice.feed import keys
from tests.ondevice.feed.made_feed import MadeFeed, signers

PUBLICATIONS = 200
RELEASE_EVERY = 10


def write(root: Path, start: datetime) -> None:
    feed = MadeFeed(root, start)
    for number in range(PUBLICATIONS):
        if number % RELEASE_EVERY == 0:
            feed.release(f"{number}")
        feed.publish()  # at the same time, so each sequence is the last one's next


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[httpx.Client]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False) as client:
                yield client
        finally:
            server.shutdown()


def signed_later(feed: MadeFeed, signatures: str, sequence: int, by: int) -> bool:
    """Return whether signatures are of a document that was made at least so many publications later."""
    made = [path.read_bytes() for path in (feed.folder / "stable").glob("*.latest.json")]
    found = [content for content in made if signers(content, signatures, feed.keys.known())]
    return any(json.loads(content)["sequence"] >= sequence + by for content in found)


def tufs_sequence(feed: MadeFeed, address: str) -> int:
    """Return the sequence that a phone with TUF's own client finds, which has no second try."""
    with tempfile.TemporaryDirectory() as kept:
        updater = Updater(kept, f"{address}/tuf/", kept, f"{address}/", bootstrap=feed.keys.roots()[1])
        found = updater.get_targetinfo("stable/latest.json")
        assert found
        return int(json.loads(Path(updater.download_target(found)).read_bytes())["sequence"])


def test_a_client_never_sees_a_feed_that_it_must_refuse(tmp_path: Path) -> None:
    feed = MadeFeed(tmp_path / "tiny", start=datetime.now(UTC))  # the clock that TUF's client has
    feed.release("first")
    feed.publish()
    trusted = keys.public_keys(feed.keys.app_keys.read_bytes())
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(feed.root, feed.start), daemon=True)
    sequences, fetches, again = set(), 0, 0
    with served(feed.folder) as client:
        writer.start()
        while writer.is_alive() or not fetches:
            content = client.get("stable/latest.json").raise_for_status().content
            signatures = client.get("stable/latest.json.sig").raise_for_status().text
            fetches += 1
            document = json.loads(content)
            if not signers(content, signatures, trusted):
                # Only if two publications came between the two requests.
                assert signed_later(feed, signatures, document["sequence"], by=2)
                again += 1
                continue
            assert document["sequence"] >= max(sequences, default=0)
            sequences.add(document["sequence"])
            if fetches % 5 == 0:
                # Its timestamp comes last of all.
                assert tufs_sequence(feed, str(client.base_url).rstrip("/")) >= document["sequence"] - 1
            offer = document["offers"][0]
            assert hashlib.sha256(client.get(offer["url"]).raise_for_status().content).hexdigest() == offer["sha256"]
            writer.join(0.02)  # else the writer gets little of the processor
    writer.join(60)
    assert writer.exitcode == 0
    print(f"{fetches} fetches saw {len(sequences)} of {PUBLICATIONS} publications, {again} had to be made again")
    assert len(sequences) > 10 and again < fetches
