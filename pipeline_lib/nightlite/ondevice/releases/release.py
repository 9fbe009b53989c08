"""One release on disk, as a reader sees it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden
from nightlite.ondevice.releases.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE, SIGNATURE_FILE, Manifest

# Of every release. Its manifest names the others.
_FILES = {MODEL_FILE, LABELS_FILE, MANIFEST_FILE}


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

    def golden(self) -> Golden | None:
        """Return the golden examples, checked against the manifest, or None in a release that is older than them.

        Raises:
          ReleaseError: they differ from the manifest, or are another file's.
        """
        if GOLDEN_FILE not in self.manifest.files:
            return None
        path, content = self.folder / GOLDEN_FILE, self._listed(GOLDEN_FILE)
        try:
            golden = Golden.model_validate_json(content)
        except ValidationError as error:
            raise ReleaseError(f"{path}: not golden examples ({error.errors()[0]['msg']})") from None
        if golden.sha256 != self.manifest.sha256:
            raise ReleaseError(
                f"{path}: expected the examples of this release's file, sha256 {self.manifest.sha256}. "
                f"Received: those of {golden.sha256}"
            )
        return golden

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
        for name in self.manifest.files:
            self._listed(name)
        self.golden()
        self._refuse_foreign_files()

    def _listed(self, name: str) -> bytes:
        """Return the content of a file that the manifest lists, checked against it."""
        content, expected = _read(self.folder / name), self.manifest.files[name]
        if (found := hashlib.sha256(content).hexdigest()) != expected:
            raise ReleaseError(
                f"{self.folder / name}: expected sha256 {expected}, as the manifest says. Received: {found}. "
                "Do not use this release"
            )
        return content

    def copy_to(self, folder: Path) -> None:
        """Copy the files of a release, unchecked, into an empty folder.

        Raises:
          ReleaseError: a file is missing or foreign.
          OSError: the copy cannot be written.
        """
        self._refuse_foreign_files()
        for name in self._files - (set() if self.is_signed else {SIGNATURE_FILE}):
            (folder / name).write_bytes(_read(self.folder / name))

    @property
    def _files(self) -> set[str]:
        return {*_FILES, *self.manifest.files, SIGNATURE_FILE}

    def _refuse_foreign_files(self) -> None:
        if foreign := sorted({path.name for path in self.folder.iterdir()} - self._files):
            expected = ", ".join(sorted(self._files))
            raise ReleaseError(f"{self.folder}: expected only {expected}. Received also: {foreign}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(
            f"{path}: a release's file cannot be read: {error.strerror}. Do not use this release"
        ) from None
