"""Upload of a model's feed to a bucket, by Airflow's ObjectStoragePath.

A bucket has no transaction, only files that are replaced whole. So the order decides what a reader can see, and what a
failure at any step leaves:

1. all files that nothing in the bucket names yet;
2. for each channel `latest.json.sig`, with the signatures of the new document and those that are in the bucket;
3. its `latest.json`; then the signatures of the new document alone;
4. TUF's `timestamp.json`, which names the rest of its metadata.

Whatever fails, each document in the bucket has its signature, and all that it names is there. See docs/feed.md.
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
_TIMESTAMP = "timestamp.json"
_TYPES = {".json": "application/json", ".sig": "text/plain", ".txt": "text/plain; charset=utf-8"}
# A publication between two reads is seen, and another one at once is not.
_LOOKS = 10
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
    except FeedError:
        raise
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
        # What points at other files is read before they are listed: so they are all there.
        last = {path: path.read_bytes() for path in self._feed.rglob(_TIMESTAMP)}
        documents = {channel: self._document(channel) for channel in CHANNELS}
        there = self._there()
        for path in self._named():
            self._put_new(path, there)
        for channel, (document, signatures) in documents.items():
            if document:
                self._put_document(channel, document, signatures)
        for path, content in last.items():
            self._put(self._name(path), content)
        return Uploaded(self._written, self._kept)

    def _document(self, channel: str) -> tuple[bytes, bytes]:
        """Return a channel's document and its signatures, as they belong together; both empty if there is none.

        A publication replaces the signatures first, by ones of the old and the new document.
        """
        folder = self._feed / channel
        if not (folder / DOCUMENT_FILE).exists():
            return b"", b""
        for _ in range(_LOOKS):
            document = (folder / DOCUMENT_FILE).read_bytes()
            signatures = (folder / SIGNATURE_FILE).read_bytes()
            if (folder / DOCUMENT_FILE).read_bytes() == document:
                return document, signatures
        raise FeedError(f"expected {folder} to stay as it is for a moment. Received: {_LOOKS} changes")

    def _named(self) -> Iterator[Path]:
        """Yield the files that a document or TUF's timestamp may name."""
        for path in sorted(self._feed.rglob("*")):
            name = path.relative_to(self._feed)
            # A dot begins the name of a file that is being written.
            hidden = any(part.startswith(".") for part in name.parts)
            if path.is_file() and not hidden and name.name not in (DOCUMENT_FILE, SIGNATURE_FILE, _TIMESTAMP):
                yield path

    def _there(self) -> dict[str, dict[str, Any]]:
        """Return what the bucket says of its files, by their paths."""
        self._target.fs.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            return dict(self._target.fs.find(self._target.path, detail=True))
        return {}

    def _put_new(self, path: Path, there: dict[str, dict[str, Any]]) -> None:
        content, name = path.read_bytes(), self._name(path)
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

    def _name(self, path: Path) -> str:
        return path.relative_to(self._feed).as_posix()


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
