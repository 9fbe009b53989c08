"""TUF metadata of a feed, for those who have a TUF client: `tuf/` beside the channels, from the same state and keys.

A client's metadata address is `tuf/`, its targets' address is the feed's folder. Its targets are
`<channel>/latest.json` and the files of each offer, such as `files/8.tflite`, with names on disk as TUF has them.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from nightlite import durable
from nightlite.ondevice.feed.document import DOCUMENT_FILE, Document, FeedFile, Offer
from nightlite.ondevice.feed.folder import TUF
from nightlite.ondevice.rollout.state import Channel

TIMESTAMP_FILE = "timestamp.json"
_Role = TypeVar("_Role", Targets, Snapshot, Timestamp)
_NUMBERED = re.compile(r"([1-9][0-9]*)\.(?:targets|snapshot)\.json")


class TufFolder:
    """TUF's metadata of one feed."""

    def __init__(self, feed: Path, key: ec.EllipticCurvePrivateKey) -> None:
        self.path = feed / TUF
        self._signer = CryptoSigner(key)

    def prepare(self, documents: Mapping[Channel, Document], contents: Mapping[Channel, bytes]) -> bytes:
        """Write what no timestamp names yet. Return the timestamp that names it."""
        sequence = max(document.sequence for document in documents.values())
        expires = min(document.expires for document in documents.values())
        targets = Targets(version=sequence, expires=expires, targets=_targets(documents, contents))
        snapshot = Snapshot(version=sequence, expires=expires, meta={"targets.json": MetaFile(sequence)})
        durable.write(self.path / f"{sequence}.targets.json", self._signed(targets))
        durable.write(self.path / f"{sequence}.snapshot.json", self._signed(snapshot))
        return self._signed(Timestamp(version=sequence, expires=expires, snapshot_meta=MetaFile(sequence)))

    def finish(self, roots: Mapping[int, bytes], timestamp: bytes) -> None:
        """Write the roots, and last the timestamp. Roots of keys that were lost and made again are removed."""
        for path in self.path.glob("*.root.json"):
            if path.name not in {f"{version}.root.json" for version in roots}:
                path.unlink()
        for version, content in sorted(roots.items()):
            path = self.path / f"{version}.root.json"
            if not path.exists() or path.read_bytes() != content:
                durable.write(path, content)
        durable.write(self.path / TIMESTAMP_FILE, timestamp)

    def remove_all_but(self, sequences: Collection[int]) -> None:
        """Remove the metadata of other publications."""
        for path in self.path.iterdir():
            found = _NUMBERED.fullmatch(path.name)
            if found and int(found[1]) not in sequences:
                path.unlink()

    def _signed(self, role: _Role) -> bytes:
        metadata = Metadata(role)
        metadata.sign(self._signer)
        return metadata.to_bytes()


def _targets(documents: Mapping[Channel, Document], contents: Mapping[Channel, bytes]) -> dict[str, TargetFile]:
    found = {}
    for channel, document in documents.items():
        name, content = f"{channel}/{DOCUMENT_FILE}", contents[channel]
        custom = {"sequence": document.sequence}
        found[name] = _target(name, len(content), hashlib.sha256(content).hexdigest(), custom)
        for offer in document.offers:
            for file in offer.files:
                name = target_name(file)
                found.setdefault(name, _target(name, file.size, file.sha256, _custom(offer)))
            # Of 1,000, because canonical JSON takes no fractions.
            found[target_name(offer)].custom["share_permille"] |= {channel: offer.share_permille}
    return found


def target_name(file: FeedFile) -> str:
    """Return the name of a file's target: its address without the sum that TUF puts before the last part."""
    folder, _, name = file.url.rpartition("/")
    return f"{folder}/{name.partition('.')[2]}"


def _custom(offer: Offer) -> dict[str, Any]:
    return {
        "version": offer.version,
        "least_app_version": offer.least_app_version,
        "least_runtime_version": offer.least_runtime_version,
        "share_permille": {},
    }


def _target(name: str, length: int, sha256: str, custom: dict[str, Any]) -> TargetFile:
    return TargetFile(length, {"sha256": sha256}, name, {"custom": custom})
