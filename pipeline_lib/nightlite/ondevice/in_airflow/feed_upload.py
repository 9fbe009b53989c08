"""Upload of a model's feed to a bucket, by Airflow's ObjectStoragePath.

A bucket has no transaction, only files that are replaced whole. So the order decides what a reader can see, and what a
failure at any step leaves:

1. all files that nothing in the bucket names yet;
2. for each channel `latest.json.sig`, with the signatures of the new document and those that are in the bucket;
3. its `latest.json`; then the signatures of the new document alone;
4. TUF's roots, and its `timestamp.json`, which names the rest of its metadata.

Whatever fails, each document in the bucket has its signature, and all that it names is there. See docs/feed.md. Only
TUF's clients see a half of a rotation, if its upload fails between a root and the timestamp.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightlite import durable
from nightlite.errors import FeedError
from nightlite.locks import lock
from nightlite.ondevice.feed.document import DOCUMENT_FILE
from nightlite.ondevice.feed.signature import SIGNATURE_FILE
from nightlite.ondevice.rollout.state import CHANNELS

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

# Of files whose name is their content's sum, of signature files, and of all others. A signature file also serves the
# document before. So it may be newer than a cached document, but not older. docker/feed.nginx.conf says the same.
FOREVER = "public, max-age=31536000, immutable"
ALWAYS = "public, no-cache"
SHORTLY = "public, max-age=60, must-revalidate"
# TUF's roots name the key of the timestamp, so a rotation changes both.
_LAST = ("*.root.json", "timestamp.json")
_TYPES = {".json": "application/json", ".sig": "text/plain", ".txt": "text/plain; charset=utf-8"}
_MD5 = 32  # characters, in hexadecimal
_CONTENT = re.compile(r"[0-9a-f]{64}\.")


@dataclass(frozen=True)
class Uploaded:
    """Number of files that an upload wrote, and of those that were there already."""

    written: int
    kept: int


def upload(feed: Path, url: str, name: str) -> Uploaded:
    """Make the folder `name` below `url` say what the local feed says.

    Raises:
      FeedError: it failed. The bucket's feed is whole, and the old or the new one.
    """
    from airflow.sdk import ObjectStoragePath

    try:
        return _Upload(feed, ObjectStoragePath(url) / name).run()
    # Each backend has errors of its own, which may not even be importable here.
    except Exception as error:
        said = " ".join(str(error).split()) or "no reason"
        raise FeedError(
            f"expected to upload the feed of {name} to {url}. Received: {type(error).__name__}, {said}. "
            "Phones go on with the state before it; clear this task when the cause is mended"
        ) from error


class _Upload:
    """One upload from a folder to a folder of a bucket."""

    def __init__(self, feed: Path, target: "ObjectStoragePath"):
        self._feed, self._target = feed, target
        self._written = self._kept = 0

    def run(self) -> Uploaded:
        with lock(self._feed, waiting_for="a publication"):
            documents = {channel: self._document(channel) for channel in CHANNELS}
            named = sorted(self._named())
            last = {path: path.read_bytes() for pattern in _LAST for path in sorted(self._feed.rglob(pattern))}
        there = self._there()
        for path in named:
            self._put_new(path, path.read_bytes(), there)
        for channel, (document, signatures) in documents.items():
            if document:
                self._put_document(channel, document, signatures)
        for path, content in last.items():
            self._put_new(path, content, there)
        return Uploaded(self._written, self._kept)

    def _document(self, channel: str) -> tuple[bytes, bytes]:
        """Return a channel's document and its signatures; both empty if there is none."""
        folder = self._feed / channel
        if not (folder / DOCUMENT_FILE).exists():
            return b"", b""
        return (folder / DOCUMENT_FILE).read_bytes(), (folder / SIGNATURE_FILE).read_bytes()

    def _named(self) -> Iterator[Path]:
        """Yield the files that a document or TUF's timestamp may name."""
        for path in self._feed.rglob("*"):
            name = path.relative_to(self._feed)
            # A dot begins the name of a file that is being written.
            hidden = any(part.startswith(".") for part in name.parts)
            is_last = any(name.match(pattern) for pattern in (DOCUMENT_FILE, SIGNATURE_FILE, *_LAST))
            if path.is_file() and not hidden and not is_last:
                yield path

    def _there(self) -> dict[str, dict[str, Any]]:
        """Return what the bucket says of its files, by their paths."""
        self._target.fs.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            return dict(self._target.fs.find(self._target.path, detail=True))
        return {}

    def _put_new(self, path: Path, content: bytes, there: dict[str, dict[str, Any]]) -> None:
        name = path.relative_to(self._feed).as_posix()
        if self._is_there(name, content, there):
            self._kept += 1
        else:
            self._put(name, content)

    def _is_there(self, name: str, content: bytes, there: dict[str, dict[str, Any]]) -> bool:
        path = self._target / name
        found = there.get(path.path) or {}
        if found.get("size") != len(content):
            return False
        # S3's, unless it encrypts or the file came in parts. Then a name with the content's sum is enough.
        tag = str(found.get("ETag", "")).strip('"')
        if len(tag) == _MD5:
            return tag == hashlib.md5(content, usedforsecurity=False).hexdigest()
        return is_named_by_content(name)

    def _put_document(self, channel: str, document: bytes, signatures: bytes) -> None:
        name, of = f"{channel}/{DOCUMENT_FILE}", f"{channel}/{SIGNATURE_FILE}"
        before, signed = self._read(name), self._read(of)
        if before != document:
            # The bucket's document may be older than the one before, if uploads failed.
            ours = set(signatures.splitlines())
            kept = [line for line in signed.splitlines() if line not in ours]
            signed = b"".join(line + b"\n" for line in (*signatures.splitlines(), *kept))
            self._put(of, signed)
            self._put(name, document)
        if signed != signatures:
            self._put(of, signatures)

    def _read(self, name: str) -> bytes:
        path = self._target / name
        try:
            return bytes(path.fs.cat_file(path.path))
        except FileNotFoundError:
            return b""

    def _put(self, name: str, content: bytes) -> None:
        path = self._target / name
        if path.protocol in ("file", "local"):
            place = Path(path.path)
            place.parent.mkdir(parents=True, exist_ok=True)
            durable.write(place, content)
        else:
            path.fs.pipe_file(path.path, content, **_headers(path.protocol, name))
        self._written += 1


def is_named_by_content(name: str) -> bool:
    """Return whether a file can never change, because its name begins with its content's sha256."""
    return bool(_CONTENT.match(Path(name).name))


def _headers(protocol: str, name: str) -> dict[str, str]:
    """Return what S3 sends with a file. Other buckets have their own ways to say so."""
    if protocol not in ("s3", "s3a"):
        return {}
    caching = FOREVER if is_named_by_content(name) else ALWAYS if name.endswith(SIGNATURE_FILE) else SHORTLY
    return {
        "CacheControl": caching,
        "ContentType": _TYPES.get(Path(name).suffix, "application/octet-stream"),
    }
