"""A client that fetches all the while two hundred publications are made by another process, over HTTP."""

import contextlib
import functools
import hashlib
import http.server
import json
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx

from nightlite.ondevice.feed import keys
from tests.ondevice.feed.made_feed import MadeFeed, signers

PUBLICATIONS = 200
RELEASE_EVERY = 10


def write(root: Path) -> None:
    feed = MadeFeed(root)
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


def test_a_client_never_sees_a_feed_that_it_must_refuse(tmp_path: Path) -> None:
    feed = MadeFeed(tmp_path / "tiny")
    feed.release("first")
    feed.publish()
    trusted = keys.public_keys(feed.keys.app_keys.read_bytes())
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(feed.root,), daemon=True)
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
            offer = document["offers"][0]
            assert hashlib.sha256(client.get(offer["url"]).raise_for_status().content).hexdigest() == offer["sha256"]
            writer.join(0.02)  # else the writer gets little of the processor
    writer.join(60)
    assert writer.exitcode == 0
    print(f"{fetches} fetches saw {len(sequences)} of {PUBLICATIONS} publications, {again} had to be made again")
    assert len(sequences) > 10 and again < fetches
