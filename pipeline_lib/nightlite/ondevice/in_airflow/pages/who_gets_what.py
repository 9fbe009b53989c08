"""Section of the releases' page: which phones of each channel get which release, and the next step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nightlite.errors import ReleaseError, SettingsError
from nightlite.ondevice.releases.offers import offers_in
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.rollout.plan import FULL, percent
from nightlite.ondevice.rollout.state import CHANNELS, Channel, RollOut
from nightlite.ondevice.rollout.words import next_step, phones
from nightlite.ondevice.settings import rollout_plan


class Part(NamedTuple):
    """A release's part of a channel's phones."""

    version: int
    permille: int

    @property
    def text(self) -> str:
        """Return the part in words, such as `10 %`."""
        return percent(self.permille)


class ChannelRow(NamedTuple):
    """Offers to the phones of a channel. `older` are the releases for apps that are too old for these."""

    channel: Channel
    parts: tuple[Part, ...]
    older: tuple[int, ...]


@dataclass(frozen=True)
class WhoGetsWhat:
    """The section.

    Attributes:
      rows: one a channel, [] before the first release.
      next_step: a sentence, "" if nothing is on its way.
      problems: sentences on what could not be read.
      phones: the phones that get a release, by version.
    """

    rows: tuple[ChannelRow, ...]
    next_step: str
    problems: tuple[str, ...]
    phones: dict[int, str]


def who_gets_what(
    model: str, state: RollOut, versions: list[int], latest: int | None, read: Callable[[int], Release]
) -> WhoGetsWhat:
    """Return the section. Damage hides no more than it must.

    Args:
      read: returns the release of a version, or raises ReleaseError.
    """
    rows, problems, offered = [], [], set()
    for channel in CHANNELS:
        try:
            row = _row(state, channel, latest, read)
        except ReleaseError as error:
            problems.append(f"{channel}: {error}")
            continue
        if row.parts:
            rows.append(row)
        offered |= {*(part.version for part in row.parts), *row.older}
    try:
        then = next_step(state, rollout_plan(model))
    except SettingsError as error:
        then = ""
        problems.append(str(error))
    getting = {version: phones(state, version, offered=version in offered) for version in versions}
    return WhoGetsWhat(tuple(rows), then, tuple(problems), getting)


def _row(state: RollOut, channel: Channel, latest: int | None, read: Callable[[int], Release]) -> ChannelRow:
    parts: list[Part] = []
    older: list[int] = []
    left = FULL
    for offer in offers_in(state, channel, read, latest):
        if left:
            parts.append(Part(offer.version, min(left, offer.permille)))
            left -= parts[-1].permille
        else:
            older.append(offer.version)
    return ChannelRow(channel, tuple(parts), tuple(older))
