"""Reader of a folder of releases, described in `store.py`. It needs no lock."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nightlite.errors import NoReleaseError, ReleaseError
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.rollout.event import Event
from nightlite.ondevice.rollout.state import RollOut, rollout_of

LATEST = "latest"
# No leading zeros, no other script's digits: each version has one name.
_VERSION = re.compile("[1-9][0-9]*")
_Content = TypeVar("_Content")


class ReleaseReader:
    """The releases in one folder, which need not exist yet, to be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def model(self) -> str:
        """Return the name of the model, whose folder holds this one."""
        return self.folder.parent.name

    def versions(self) -> list[int]:
        """Return the existing versions, oldest first, including those that cannot be read as releases."""
        entries = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(int(entry.name) for entry in entries if _VERSION.fullmatch(entry.name) and entry.is_dir())

    def release(self, version: int) -> Release:
        """Return one release.

        Raises:
          NoReleaseError: there is no such version.
          ReleaseError: it cannot be read.
        """
        if version not in self.versions():
            known = ", ".join(map(str, self.versions())) or "none"
            raise NoReleaseError(
                f"{self.folder}: expected one of the versions there are ({known}). Received: {version}"
            )
        return Release.read(self.folder / str(version))

    def latest_version(self) -> int | None:
        """Return the version that `latest` points to, or None before the first release.

        Raises:
          ReleaseError: `latest` is not a link to a version.
        """
        path = self.folder / LATEST
        try:
            target = os.readlink(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReleaseError(f"{path}: expected a link to a version. Received: {error.strerror}") from None
        if not _VERSION.fullmatch(target):
            raise ReleaseError(f"{path}: expected a link to a version. Received: {target!r}")
        return int(target)

    def latest(self) -> Release | None:
        """Return the release that `latest` points to, or None before the first one.

        Raises:
          ReleaseError: it cannot be read.
        """
        found = self.read_latest(lambda release: None)
        return found[0] if found else None

    def latest_model(self) -> tuple[Release, bytes] | None:
        """Return the release that `latest` points to and its checked TFLite file, or None before the first one.

        Raises:
          ReleaseError: it cannot be read, or the file differs from the manifest.
        """
        return self.read_latest(Release.model)

    def read_latest(self, read: Callable[[Release], _Content]) -> tuple[Release, _Content] | None:
        """Return the release that `latest` points to and `read`'s result for it, or None before the first one.

        Raises:
          ReleaseError: it cannot be read, and `latest` still points to it.
        """
        while (version := self.latest_version()) is not None:
            try:
                release = self.release(version)
                return release, read(release)
            except ReleaseError as error:
                # If it was pruned while it was read, `latest` points to another one by now.
                if self.latest_version() == version:
                    raise ReleaseError(str(error)) from None  # no one named this version, so it is no usage error
        return None

    def history(self) -> list[Event]:
        """Return every change, oldest first.

        Raises:
          ReleaseError: the history cannot be read.
        """
        return history.read(self.folder)

    def state(self) -> RollOut:
        """Return which releases phones get, and which wait.

        Raises:
          ReleaseError: the history cannot be read.
        """
        return rollout_of(self.history())
