"""Folder of a feed, as the publisher finds it: `files/`, and a folder a channel. docs/feed.md has the layout."""

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from nightlite import durable
from nightlite.ondevice.contract.golden import GOLDEN_FILE
from nightlite.ondevice.feed import signature
from nightlite.ondevice.feed.document import DOCUMENT_FILE, Document, FeedFile, Offer
from nightlite.ondevice.feed.keys import FeedKeys
from nightlite.ondevice.feed.signature import SIGNATURE_FILE, Signature
from nightlite.ondevice.releases.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.rollout.plan import FULL
from nightlite.ondevice.rollout.state import CHANNELS, Channel

FILES, TUF = "files", "tuf"
# A phone that read the document before may be downloading, or wait for a better network.
GRACE = timedelta(days=7)
_SUFFIXES = {
    MODEL_FILE: "tflite",
    GOLDEN_FILE: "golden.json",
    LABELS_FILE: "labels.txt",
    MANIFEST_FILE: "manifest.json",
}


@dataclass(frozen=True)
class Signed:
    """A document as it is in the folder, with its good signatures."""

    document: Document
    content: bytes
    signatures: tuple[Signature, ...]


class FeedFolder:
    """The feed of one model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def channel(self, channel: Channel) -> Path:
        """Return the folder of a channel."""
        return self.path / channel

    def read(self, channel: Channel, keys: FeedKeys) -> Signed | None:
        """Return what a channel says now, or None if it says nothing that any of our keys ever signed."""
        folder = self.channel(channel)
        try:
            content, lines = (folder / DOCUMENT_FILE).read_bytes(), (folder / SIGNATURE_FILE).read_bytes()
            document = Document.model_validate_json(content)
        except (FileNotFoundError, ValidationError):
            return None
        signatures = signature.good(content, signature.parse(lines), keys.known())
        return Signed(document, content, tuple(signatures)) if signatures else None

    def add(self, release: Release) -> Offer:
        """Write the files of a checked release, unless they are there. Return its offer, to everyone."""
        manifest = release.manifest
        files = {name: self._add_file(release, name) for name in _SUFFIXES if (release.folder / name).exists()}
        return Offer(
            **dict(files[MODEL_FILE]),
            version=release.version,
            golden=files.get(GOLDEN_FILE),
            labels=files[LABELS_FILE],
            manifest=files[MANIFEST_FILE],
            least_app_version=manifest.least_app_version,
            least_runtime_version=manifest.least_runtime_version,
            share_permille=FULL,
        )

    def _add_file(self, release: Release, name: str) -> FeedFile:
        content = (release.folder / name).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        url = f"{FILES}/{sha256}.{release.version}.{_SUFFIXES[name]}"
        write_once(self.path / url, content)
        return FeedFile(sha256=sha256, size=len(content), url=url)

    def write(self, channel: Channel, document: bytes, signatures: list[Signature]) -> None:
        """Replace the document of a channel, the signatures first. At each step, document and signatures match."""
        folder = self.channel(channel)
        durable.write(folder / SIGNATURE_FILE, signature.text(signatures))
        durable.write(folder / DOCUMENT_FILE, document)

    def archive(self, channel: Channel, document: bytes) -> None:
        """Write the document under the name that its content has. It says for how long its files must stay."""
        write_once(self.channel(channel) / f"{hashlib.sha256(document).hexdigest()}.{DOCUMENT_FILE}", document)

    def remove_old(self, now: datetime) -> tuple[list[str], set[int]]:
        """Remove documents that are older than the grace, and files that no document names.

        Returns:
          These files, and the sequences of the documents that stay.
        """
        needed, sequences = set(), set()
        for path in self.path.glob(f"*/*.{DOCUMENT_FILE}"):
            document = _document(path)
            if document is None or document.issued < now - GRACE:
                path.unlink()
                continue
            sequences.add(document.sequence)
            needed |= {file.url for offer in document.offers for file in offer.files}
        found = {f"{FILES}/{path.name}" for path in (self.path / FILES).iterdir()}
        for url in found - needed:
            (self.path / url).unlink()
        return sorted(found - needed), sequences

    def make(self) -> None:
        """Make the folders, and remove the leftovers of a killed publication. Call it with the lock."""
        for name in (FILES, TUF, *CHANNELS):
            (self.path / name).mkdir(parents=True, exist_ok=True)
            durable.clear_unfinished(self.path / name)


def write_once(path: Path, content: bytes) -> None:
    """Write a file whose name has its content's sum, unless it is there and whole."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    durable.write(path, content)


def _document(path: Path) -> Document | None:
    with contextlib.suppress(ValidationError):
        return Document.model_validate_json(path.read_bytes())
    return None
