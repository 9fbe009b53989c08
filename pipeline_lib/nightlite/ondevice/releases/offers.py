"""Offers of a feed: the releases that phones of a channel may take, each with its share."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.rollout.plan import FULL
from nightlite.ondevice.rollout.state import Channel, RollOut, Share, rollout_of


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
            return _offers(releases, channel, rollout_of(events))
        except ReleaseError:
            # If it was pruned while it was read, the history is another one by now.
            if releases.history() == events:
                raise


def offered_versions(releases: ReleaseReader, state: RollOut) -> set[int]:
    """Return all releases that phones of any channel get or will get. Damaged ones for older apps are none."""
    found = set(state.versions)
    for served in (state.latest, state.served):
        if served is not None:
            try:
                release = releases.release(served)
            except ReleaseError:
                continue
            found |= {older.version for older in _for_older_apps(releases, release, state)}
    return found


def _offers(releases: ReleaseReader, channel: Channel, state: RollOut) -> list[Offer]:
    # Without a history, as in a copied folder, the latest release is what phones get.
    latest = state.latest or releases.latest_version()
    if latest is None:
        return []
    served = latest if channel == "beta" else state.served or latest
    shares = [Share(served, FULL)]
    if channel == "stable" and state.rolling:
        shares.insert(0, state.rolling)
    found = [Offer(releases.release(share.version), share.permille) for share in shares]
    older = _for_older_apps(releases, found[-1].release, state)
    return [*found, *(Offer(release, FULL) for release in older)]


def _for_older_apps(releases: ReleaseReader, served: Release, state: RollOut) -> Iterator[Release]:
    """Yield the newest releases for phones whose app or runtime is too old for the ones before them."""
    needs = [_needs(served)]
    for version in sorted(state.full, reverse=True):
        if version >= served.version:
            continue
        try:
            release = releases.release(version)
        except ReleaseError:
            continue  # damaged: an older one may do
        app, runtime = _needs(release)
        if all(app < other_app or runtime < other_runtime for other_app, other_runtime in needs):
            needs.append((app, runtime))
            yield release


def _needs(release: Release) -> tuple[int, tuple[int, ...]]:
    said = release.manifest
    return said.least_app_version, tuple(int(part) for part in re.findall("[0-9]+", said.least_runtime_version))
