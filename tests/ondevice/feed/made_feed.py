"""A feed of made-up releases."""

import base64
import functools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.publish import Published, publish
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import Settings
from tests.ondevice.releases.made_releases import push

NOON = datetime(2026, 9, 30, 12, tzinfo=UTC)


@dataclass(frozen=True)
class MadeFeed:
    """The state of one model, and how to change it. Its first day is `start`."""

    root: Path
    start: datetime = NOON

    @functools.cached_property
    def settings(self) -> Settings:
        return Settings(var_dir=self.root.parent)

    @property
    def folder(self) -> Path:
        return self.settings.folders(self.root.name).feed

    @property
    def releases(self) -> Releases:
        return Releases(self.settings.folders(self.root.name).releases)

    @property
    def keys(self) -> keys.FeedKeys:
        folder = self.settings.feed_keys_dir
        return keys.read(folder) if keys.exist(folder) else keys.make(folder)

    def release(self, content: str) -> int:
        """Return the version of a new release."""
        return push(self.releases, content, f"run-{content}").release.version

    def publish(self, days: float = 0) -> Published:
        """Publish that many days after the start."""
        found = publish(self.releases, self.folder, self.keys, self.settings, self.start + timedelta(days=days))
        assert found
        return found

    def document(self, channel: str = "stable") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content(channel))
        return found

    def content(self, channel: str = "stable") -> bytes:
        return (self.folder / channel / "latest.json").read_bytes()

    def signatures(self, channel: str = "stable") -> str:
        return (self.folder / channel / "latest.json.sig").read_text()


def signers(content: bytes, signatures: str, trusted: dict[str, ec.EllipticCurvePublicKey]) -> set[str]:
    """Return the ids of the keys that signed a content, as a client finds them: with nothing of ours."""
    found = set()
    for line in signatures.splitlines():
        name, encoded = line.split(" ")
        try:
            trusted[name].verify(base64.b64decode(encoded), content, ec.ECDSA(hashes.SHA256()))
        except Exception:
            continue
        found.add(name)
    return found
