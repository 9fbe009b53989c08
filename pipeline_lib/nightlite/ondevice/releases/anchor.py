"""Anchor: a release that candidates are compared with beside the latest, so that small losses do not add up."""

import contextlib

from nightlite.errors import ReleaseError
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.releases.release import Release


def anchor(releases: ReleaseReader) -> Release | None:
    """Return the anchor, often the latest release itself, or None before the first release.

    The latest names it. If the anchor was removed, is damaged, or was rolled back from, the latest takes its place.

    Raises:
      ReleaseError: the latest release or the history cannot be read.
    """
    latest = releases.latest()
    if latest is None or latest.manifest.next_anchor == latest.version:
        return latest
    with contextlib.suppress(ReleaseError):
        found = releases.release(latest.manifest.next_anchor)
        found.model()
        if found.manifest.sha256 not in history.withdrawn(releases.history()):
            return found
    return latest


def anchors_of(releases: ReleaseReader, versions: set[int]) -> set[int]:
    """Return the anchors of these releases, any of which a rollback may make the latest."""
    found = set()
    for version in versions:
        with contextlib.suppress(ReleaseError):
            found.add(releases.release(version).manifest.next_anchor)
    return found
