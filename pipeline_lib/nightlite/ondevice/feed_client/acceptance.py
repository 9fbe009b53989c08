"""Checks of `latest.json`: signed, this feed's, as new as the last one, and not too old. docs/feed.md numbers them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from pydantic import ValidationError

from nightlite.errors import FeedRefusedError
from nightlite.ondevice.feed import signature
from nightlite.ondevice.feed.document import Document
from nightlite.ondevice.feed_client.memory import Memory

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Expected:
    """Expectations of an app of its feed.

    Attributes:
      keys: that it ships, by their ids; the current one first.
    """

    model: str
    channel: str
    keys: Mapping[str, EllipticCurvePublicKey]

    def signer(self, content: bytes, signatures: bytes) -> str | None:
        """Return the id of the app's key that signed a content, or None."""
        found = signature.good(content, signature.parse(signatures), self.keys)
        return found[0].key_id if found else None

    def accepted(self, content: bytes, signer: str | None, before: Memory, now: datetime) -> Document:
        """Return the document.

        Raises:
          FeedRefusedError: it must not be used.
        """
        if signer is None:
            beginning = " ".join(content[:60].decode("utf-8", "replace").split())
            raise refused(
                f"latest.json signed by one of the keys {', '.join(self.keys)}",
                beginning,
                "check the server's files; after two rotations of the feed's keys, take its new ones",
            )
        document = self._document(content)
        if document.key_id != signer:
            raise refused(f"key_id {signer}", document.key_id, "check the feed's publisher")
        if (document.model, document.channel) != (self.model, self.channel):
            raise refused(
                f"{self.model}, {self.channel}", f"{document.model}, {document.channel}", "check the server's files"
            )
        self._refuse_older(document, before)
        return fresh(document, now)

    def _document(self, content: bytes) -> Document:
        found = json.loads(content).get("schema_version")
        if found != SCHEMA_VERSION:
            raise refused(f"schema_version {SCHEMA_VERSION}", found, "update this program")
        return Document.model_validate_json(content)

    def _refuse_older(self, document: Document, before: Memory) -> None:
        order = list(self.keys)
        if before.key_id not in order:
            return
        if order.index(document.key_id) < order.index(before.key_id):
            raise refused(
                f"a signature by the key that was rotated to, {before.key_id}",
                f"one by the key before, {document.key_id}, which others may have by now",
                "check the server's files",
            )
        # A new key's documents are newer than all of the old one's.
        if document.key_id == before.key_id and document.sequence < before.sequence:
            raise refused(
                f"sequence {before.sequence} or later",
                document.sequence,
                "check the server's files and the caches between, which are older",
            )


def fresh(document: Document, now: datetime) -> Document:
    """Return the document, unless it has expired.

    Raises:
      FeedRefusedError: nothing may change on its account.
    """
    if document.is_expired(now):
        raise refused(
            "a feed that is renewed every night",
            f"one that expired at {document.expires:%Y-%m-%d %H:%M} UTC",
            "check its publisher, the caches between and this machine's clock",
        )
    return document


def refused(expected: str, received: object, advice: str) -> FeedRefusedError:
    """Return the error of one check."""
    return FeedRefusedError(f"expected {expected}. Received: {received}; {advice}")


def remembered(memory: Memory) -> Document:
    """Return the document that was accepted last.

    Raises:
      FeedRefusedError: the client's own state is damaged.
    """
    try:
        return Document.model_validate_json(memory.document)
    except ValidationError as error:
        raise refused("a remembered document", error.errors()[0]["msg"], "remove the folder, and fetch again") from None
