"""One release on disk, as a reader sees it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE, SIGNATURE_FILE, Manifest

FILES = {MODEL_FILE, LABELS_FILE, MANIFEST_FILE, SIGNATURE_FILE}


@dataclass(frozen=True)
class Release:
    """A version's folder and its manifest. The folder's content is checked when it is read."""

    folder: Path
    manifest: Manifest

    @property
    def version(self) -> int:
        return self.manifest.version

    @property
    def is_signed(self) -> bool:
        return (self.folder / SIGNATURE_FILE).exists()

    @classmethod
    def read(cls, folder: Path) -> "Release":
        """Read a version's manifest.

        Raises:
          ReleaseError: the manifest is missing, malformed, or another version's.
        """
        path = folder / MANIFEST_FILE
        manifest_json = _read(path)
        try:
            manifest = Manifest.model_validate_json(manifest_json)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "file"
            raise ReleaseError(f"{path}: not a release's manifest ({where}: {first['msg']})") from None
        if str(manifest.version) != folder.name:
            raise ReleaseError(f"{path}: expected the manifest of version {folder.name}. Received: {manifest.version}")
        return cls(folder, manifest)

    def model(self) -> bytes:
        """Return the TFLite file's content, checked against the manifest.

        Raises:
          ReleaseError: the file differs from the manifest.
        """
        path = self.folder / MODEL_FILE
        content = _read(path)
        sha256 = hashlib.sha256(content).hexdigest()
        expected = self.manifest.sha256, self.manifest.size_bytes
        if (sha256, len(content)) != expected:
            raise ReleaseError(
                f"{path}: expected sha256 {expected[0]} and {expected[1]:,} bytes, as the manifest says. "
                f"Received: {sha256} and {len(content):,} bytes. Do not use this release"
            )
        return content

    def verify(self) -> None:
        """Check every file against the manifest. `signing.verify` checks the signature.

        Raises:
          ReleaseError: a file is missing, foreign, or differs from the manifest.
        """
        self.model()
        labels = _read(self.folder / LABELS_FILE).decode("utf-8", "replace").splitlines()
        if tuple(labels) != self.manifest.labels:
            raise ReleaseError(
                f"{self.folder / LABELS_FILE}: expected the manifest's labels {list(self.manifest.labels)}. "
                f"Received: {labels}"
            )
        self._refuse_foreign_files()

    def copy_to(self, folder: Path) -> None:
        """Copy the files of a release, unchecked, into an empty folder.

        Raises:
          ReleaseError: a file is missing or foreign.
          OSError: the copy cannot be written.
        """
        self._refuse_foreign_files()
        for name in FILES if self.is_signed else FILES - {SIGNATURE_FILE}:
            (folder / name).write_bytes(_read(self.folder / name))

    def _refuse_foreign_files(self) -> None:
        if foreign := sorted({path.name for path in self.folder.iterdir()} - FILES):
            raise ReleaseError(f"{self.folder}: expected only {', '.join(sorted(FILES))}. Received also: {foreign}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path}: a release's file cannot be read: {error.strerror}") from None
