"""Client of a feed: fetch the newest file that an app may have, and use none that was not checked."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from nightlite.errors import FeedError, FeedRefusedError
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden
from nightlite.ondevice.feed.choice import LITERT, chosen
from nightlite.ondevice.feed.document import DOCUMENT_FILE, Document, FeedFile, Offer
from nightlite.ondevice.feed.signature import SIGNATURE_FILE
from nightlite.ondevice.feed_client.acceptance import Expected, fresh, refused, remembered
from nightlite.ondevice.feed_client.memory import ClientFolder, Memory
from nightlite.ondevice.feed_client.transport import Answer, Transport, connected
from nightlite.ondevice.releases.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE

# Of a document, and of its signatures.
_DOCUMENT_BYTES = 65_536
# Two publications may happen between the two requests.
_TRIES = 3


class GoldenResult(Protocol):
    """Result of a file's golden examples in a runtime."""

    @property
    def passed(self) -> bool: ...

    @property
    def agreeing(self) -> int: ...


@dataclass(frozen=True)
class App:
    """An installed app.

    Attributes:
      installation: a random text that it made once and keeps.
      version: the release's `least_app_version` is compared with it.
      runtime_version: of TensorFlow Lite, or `litert`.
      golden: runs a file on golden examples; None where there is no runtime. Raises ValueError or RuntimeError.
    """

    installation: str
    version: int
    runtime_version: str = LITERT
    golden: Callable[[bytes, Golden], GoldenResult] | None = None


@dataclass(frozen=True)
class Fetched:
    """Result of a fetch.

    Attributes:
      offer: for this app, or None if there is none.
      golden: the result in words, or "" if nothing was new.
      received: bytes of all contents.
    """

    offer: Offer | None
    golden: str
    received: int

    def __str__(self) -> str:
        if self.offer is None:
            return f"no release for this app, {self.received:,} bytes received"
        if not self.golden:
            return f"nothing new since release {self.offer.version}, {self.received:,} bytes received"
        return f"release {self.offer.version}, {self.offer.size:,} bytes, {self.golden}"


@dataclass(frozen=True)
class FeedClient:
    """Client of one feed for one app.

    Attributes:
      url: of the feed's folder.
    """

    url: str
    expected: Expected
    app: App
    folder: ClientFolder
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def fetch(self) -> Fetched:
        """Fetch what is offered, unless it is there. After any error the last good file stays.

        Raises:
          FeedError: the server cannot be asked or sends too little or too much, or the folder cannot be written.
          FeedRefusedError: what it sends is not what the publisher signed, or does not run here.
        """
        with self.folder.writing(), connected() as transport:
            try:
                return self._fetched(transport)
            except FeedRefusedError as error:
                then = "The last good file stays" if self.folder.current() else "There is no file from this feed yet"
                raise FeedRefusedError(f"{error}. {then}") from None

    def _fetched(self, transport: Transport) -> Fetched:
        offer = chosen(
            self._document(transport),
            installation=self.app.installation,
            app_version=self.app.version,
            runtime_version=self.app.runtime_version,
        )
        current = self.folder.current()
        if offer is None or (current and current.sha256 == offer.sha256):
            return Fetched(offer, "", transport.received)
        golden = self._install(offer, transport)
        return Fetched(offer, golden, transport.received)

    def _document(self, transport: Transport) -> Document:
        """Return the accepted document. If the server has no newer one, it is the one that was accepted last."""
        memory = self.folder.memory()
        received = self._signed(transport, memory.etag)
        if received is None:
            return fresh(remembered(memory), self.now())
        answer, signer = received
        document = self.expected.accepted(answer.content, signer, memory, self.now())
        self.folder.remember(
            Memory(
                key_id=document.key_id,
                sequence=document.sequence,
                etag=answer.etag,
                document=answer.content.decode(),
            )
        )
        return document

    def _signed(self, transport: Transport, etag: str) -> tuple[Answer, str | None] | None:
        """Return the server's document and the id of the key that signed it, or None if there is nothing new."""
        tried = 0
        while True:
            answer = self._get(transport, DOCUMENT_FILE, "" if tried else etag, tried > 0)
            signatures = answer and self._get(transport, SIGNATURE_FILE, "", tried > 0)
            if answer is None or signatures is None:
                return None
            signer = self.expected.signer(answer.content, signatures.content)
            tried += 1
            if signer or tried == _TRIES:
                return answer, signer

    def _get(self, transport: Transport, name: str, etag: str, past_caches: bool) -> Answer | None:
        url = self._url(f"{self.expected.channel}/{name}")
        return transport.get(url, _DOCUMENT_BYTES, etag=etag, past_caches=past_caches)

    def _install(self, offer: Offer, transport: Transport) -> str:
        files = {
            name: self._file(file, transport)
            for name, file in (
                (LABELS_FILE, offer.labels),
                (MANIFEST_FILE, offer.manifest),
                (GOLDEN_FILE, offer.golden),
                (MODEL_FILE, offer),
            )
            if file
        }
        result = self._golden(offer, files)
        self.folder.install(offer, files)
        return result

    def _file(self, file: FeedFile, transport: Transport) -> bytes:
        url = self._url(file.url)
        answer = transport.get(url, file.size)
        assert answer is not None  # no ETag was sent
        if len(answer.content) < file.size:
            received = f"{len(answer.content):,}"
            raise FeedError(f"{url}: expected {file.size:,} bytes. Received: {received}; try again later")
        found = hashlib.sha256(answer.content).hexdigest()
        if found != file.sha256:
            raise refused(f"{url} with sha256 {file.sha256}", found, "check the server's files")
        return answer.content

    def _golden(self, offer: Offer, files: dict[str, bytes]) -> str:
        """Return the result of the golden examples in words."""
        if GOLDEN_FILE not in files:
            return "no golden examples: made before them"
        golden = Golden.model_validate_json(files[GOLDEN_FILE])
        if self.app.golden is None:
            return "golden examples not run: no LiteRT in this environment"
        what = f"all golden examples of release {offer.version} to agree here"
        advice = "try the release on such a machine, and halt it if it is wrong"
        try:
            result = self.app.golden(files[MODEL_FILE], golden)
        except (RuntimeError, ValueError) as error:
            raise refused(what, error, advice) from None
        counted = f"{result.agreeing} of {len(golden.examples)}"
        if not result.passed:
            raise refused(what, counted, advice)
        return f"golden {counted}"

    def _url(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/{path}"
