"""Offers of a feed: the releases that phones of a channel may take, each with its share."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.rollout.plan import FULL
from nightlite.ondevice.rollout.state import Channel, RollOut, Share, rollout_of

_Read = Callable[[int], Release]


@dataclass(frozen=True)
class Offer:
    """A release and its share of the phones, in thousandths. A phone takes the first offer that fits it."""

    release: Release
    permille: int

    @property
    def version(self) -> int:
        return self.release.version


def offers(releases: ReleaseReader, channel: Channel) -> list[Offer]:
    """Return the offers of a channel, newest first, [] before the first release.

    A release that all phones get may need a newer app or runtime than some phones have. For them, the newest release
    that they can use follows.

    Raises:
      ReleaseError: the history, or a release that phones should get, cannot be read.
    """
    while True:
        events = releases.history()
        try:
            return offers_in(rollout_of(events), channel, releases.release, releases.latest_version())
        except ReleaseError:
            # If it was pruned while it was read, the history is another one by now.
            if releases.history() == events:
                raise


def offers_in(state: RollOut, channel: Channel, read: _Read, latest: int | None) -> list[Offer]:
    """Return the offers of a channel in that state.

    Args:
      read: returns the release of a version, or raises ReleaseError.
      latest: the target of `latest`. Without a history, as in a copied folder, it is what phones get.
    """
    latest = state.latest or latest
    if latest is None:
        return []
    served = latest if channel == "beta" else state.served or latest
    shares = [Share(served, FULL)]
    if channel == "stable" and state.rolling:
        shares.insert(0, state.rolling)
    found = [Offer(read(share.version), share.permille) for share in shares]
    older = _for_older_apps(state, found[-1].release, read)
    return [*found, *(Offer(release, FULL) for release in older)]


def offered_versions(releases: ReleaseReader, state: RollOut) -> set[int]:
    """Return all releases that phones of any channel get or will get. Damaged ones for older apps are none."""
    found = set(state.versions)
    for served in (state.latest, state.served):
        if served is None:
            continue
        with contextlib.suppress(ReleaseError):
            older = _for_older_apps(state, releases.release(served), releases.release)
            found |= {release.version for release in older}
    return found


def _for_older_apps(state: RollOut, served: Release, read: _Read) -> Iterator[Release]:
    """Yield the newest releases for phones whose app or runtime is too old for the ones before them."""
    needs = [_needs(served)]
    for version in sorted(state.full, reverse=True):
        if version >= served.version:
            continue
        try:
            release = read(version)
        except ReleaseError:
            continue  # damaged: an older one may do
        app, runtime = _needs(release)
        if all(app < other_app or runtime < other_runtime for other_app, other_runtime in needs):
            needs.append((app, runtime))
            yield release


def _needs(release: Release) -> tuple[int, tuple[int, ...]]:
    said = release.manifest
    return said.least_app_version, tuple(int(part) for part in re.findall("[0-9]+", said.least_runtime_version))
