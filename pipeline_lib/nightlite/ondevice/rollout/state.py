"""State of the roll-out, derived from the history alone: which releases phones get, and which wait.

Channel `beta` gets every release at once. Channel `stable` gets it in shares, as the events say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from nightlite.ondevice.rollout.event import Event
from nightlite.ondevice.rollout.plan import FULL, Plan

Channel = Literal["beta", "stable"]
CHANNELS: Final[tuple[Channel, ...]] = ("beta", "stable")
# A night's renewal comes 24 hours after the last one, or up to four less where that one was late.
REST: Final = timedelta(hours=20)


class Share(NamedTuple):
    """A release and its share of the phones on `stable`, in thousandths."""

    version: int
    permille: int


@dataclass(frozen=True)
class RollOut:
    """Releases on their way to phones on `stable`.

    Attributes:
      full: releases that all phones got, oldest first. The last one is what all but the rolling one's share get.
      rolling: the release that is given to a share of the phones, if there is one.
      waiting: newer releases, oldest first, that begin when the rolling one is done. Only the newest will.
      since: when the shares last changed.
    """

    full: tuple[int, ...] = ()
    rolling: Share | None = None
    waiting: tuple[int, ...] = ()
    since: datetime | None = None

    @property
    def served(self) -> int | None:
        """Return the release with full share, or None before the first one."""
        return self.full[-1] if self.full else None

    @property
    def latest(self) -> int | None:
        """Return the newest release on its way to all phones: the target of `latest`."""
        if self.waiting:
            return self.waiting[-1]
        return self.rolling.version if self.rolling else self.served

    @property
    def versions(self) -> set[int]:
        """Return the releases that phones get or will get."""
        return {*self.full[-1:], *self.waiting, *([self.rolling.version] if self.rolling else [])}

    def first_share(self, plan: Plan) -> int:
        """Return the share that a new release begins with. 0: it waits.

        The very first release goes to all phones: there is nothing that the others could get.
        """
        if not plan.steps or not self.full:
            return FULL
        return 0 if self.rolling and plan.overlap == "wait" else plan.steps[0]

    def next_share(self, plan: Plan) -> Share | None:
        """Return the next step, or None if nothing is on its way, or the plan has no steps."""
        if not plan.steps:
            return None
        if self.rolling:
            return Share(self.rolling.version, plan.after(self.rolling.permille))
        return Share(self.waiting[-1], plan.steps[0]) if self.waiting else None

    @property
    def next_at(self) -> datetime | None:
        """Return the earliest time of the next step."""
        return self.since + REST if self.since else None

    def due(self, plan: Plan, published: Mapping[int, int], now: datetime) -> Share | None:
        """Return the next step if it is due.

        Args:
          published: shares by version, as the feed that phones read offers them on `stable` now. A share that no
            phone could see is not grown.
        """
        present = self.rolling or Share(self.full[-1] if self.full else 0, FULL)
        if (self.next_at and now < self.next_at) or published.get(present.version) != present.permille:
            return None
        return self.next_share(plan)


def rollout_of(events: Iterable[Event]) -> RollOut:
    """Return the state after all these events."""
    state = RollOut()
    for event in events:
        state = _after(state, event)
    return state


def _after(state: RollOut, event: Event) -> RollOut:
    version = event.version
    if event.action == "prune":
        return replace(state, full=tuple(other for other in state.full if other != version))
    if event.action == "halt":
        halted = state.rolling is not None and state.rolling.version == version
        return RollOut(
            full=state.full,
            rolling=None if halted else state.rolling,
            waiting=tuple(other for other in state.waiting if other != version),
            since=event.when if halted else state.since,
        )
    if event.permille == 0:
        return replace(state, waiting=(*state.waiting, version))
    # A push is newer than all that wait, and a rollback withdraws them.
    waiting = tuple(other for other in state.waiting if other > version) if event.action == "rollout" else ()
    if event.permille in (None, FULL):
        full = (*(other for other in state.full if other < version), version)
        return RollOut(full, None, waiting, event.when)
    return RollOut(state.full, Share(version, event.permille), waiting, event.when)
