"""Folder of a feed's client: what it remembers of the feed, and the last good file.

state.json      the newest document that was accepted, and the key that signed it; replaced whole
SHA256/         a release's files: model.tflite, labels.txt, manifest.json, golden.json, and its offer
current         a link to one of these folders; it moves when all was checked
"""

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from nightlite import durable
from nightlite.errors import FeedError
from nightlite.locks import lock
from nightlite.ondevice.feed.document import Offer
from nightlite.ondevice.releases.manifest import MODEL_FILE

OFFER_FILE = "offer.json"
CURRENT = "current"
_STATE_FILE = "state.json"
_FOLDER = re.compile("[0-9a-f]{64}")


class Memory(BaseModel):
    """Memory of a client of the last document that it accepted.

    Attributes:
      key_id, sequence: which one it is; an older one is refused.
      etag: the server's name for it, "" if it gave none.
      document: its text, for an answer that nothing is new.
    """

    model_config = ConfigDict(frozen=True)

    key_id: str = ""
    sequence: int = 0
    etag: str = ""
    document: str = ""


@dataclass(frozen=True)
class ClientFolder:
    """The folder of one app and one feed."""

    path: Path

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder, which is made if missing, for one process at a time.

        Raises:
          FeedError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with lock(self.path, waiting_for="another fetch"):
                durable.clear_unfinished(self.path)
                yield
        except OSError as error:
            where = error.filename2 or error.filename or self.path
            raise FeedError(f"{where}: cannot be written: {error.strerror or error}") from None

    def memory(self) -> Memory:
        """Return what is remembered, which is nothing at first."""
        path = self.path / _STATE_FILE
        if not path.exists():
            return Memory()
        try:
            return Memory.model_validate_json(path.read_bytes())
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise FeedError(
                f"{path}: expected a client's state. Received: {why}; remove the folder, and fetch again"
            ) from None

    def remember(self, memory: Memory) -> None:
        """Replace what is remembered."""
        durable.write(self.path / _STATE_FILE, memory.model_dump_json(indent=1).encode() + b"\n")

    def current(self) -> Offer | None:
        """Return the offer of the last good file, or None if there is none or the disk has damaged it."""
        folder = self.path / CURRENT
        try:
            offer = Offer.model_validate_json((folder / OFFER_FILE).read_bytes())
            content = (folder / MODEL_FILE).read_bytes()
        except (OSError, ValidationError):
            return None
        return offer if hashlib.sha256(content).hexdigest() == offer.sha256 else None

    def install(self, offer: Offer, files: Mapping[str, bytes]) -> None:
        """Make checked files the current ones. Those before them stay, because someone may be about to open them.

        Args:
          files: by their names.
        """
        folder = self.path / offer.sha256
        if folder.exists():  # a damaged one, or one that a killed fetch left
            durable.remove(folder)
        with durable.new_folder(folder) as new:
            for name, content in files.items():
                (new / name).write_bytes(content)
            (new / OFFER_FILE).write_text(offer.model_dump_json(indent=1) + "\n", encoding="utf-8")
        current = self.path / CURRENT
        before = current.readlink().name if current.is_symlink() else ""
        durable.link(current, folder.name)
        for other in self.path.iterdir():
            if _FOLDER.fullmatch(other.name) and other.name not in (before, folder.name):
                shutil.rmtree(other)
