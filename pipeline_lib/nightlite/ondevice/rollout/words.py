"""Words for a roll-out: which phones get a release now, and the next step."""

from nightlite.ondevice.rollout.event import Event
from nightlite.ondevice.rollout.plan import FULL, Plan, percent
from nightlite.ondevice.rollout.state import RollOut


def phones(state: RollOut, version: int, *, offered: bool = False) -> str:
    """Return which phones get a release now, "" if none do.

    Args:
      offered: whether it is offered at all, if only to old apps.
    """
    if version == state.latest == state.served:
        return "all"
    words = ["all of beta"] if version == state.latest else []
    if state.rolling and version == state.rolling.version:
        words.append(f"{percent(state.rolling.permille)} of stable")
    elif version == state.served:
        words.append(f"{percent(FULL - state.rolling.permille)} of stable" if state.rolling else "all of stable")
    elif state.waiting and version == state.waiting[-1]:
        words.append("waits for stable")
    elif offered:
        words.append("apps too old for a newer one")
    return ", ".join(words)


def begins(permille: int) -> str:
    """Return the share that a new release begins with, to follow `pushed`, "" for all phones."""
    if permille == FULL:
        return ""
    return f", to {percent(permille)} of the phones on stable" if permille else ", which waits: one is rolling out"


def next_step(state: RollOut, plan: Plan) -> str:
    """Return the next step and its time as a sentence, "" if nothing is on its way."""
    step = state.next_share(plan)
    if step and state.next_at:
        who = "all phones" if step.permille == FULL else f"{percent(step.permille)} of stable"
        when = f"{state.next_at:%Y-%m-%d %H:%M} UTC"
        return f"Release {step.version} goes to {who} with the feed's first renewal after {when}."
    if state.rolling:
        return f"Release {state.rolling.version} stays at {percent(state.rolling.permille)} until someone changes that."
    return f"Release {state.waiting[-1]} waits until someone rolls it out." if state.waiting else ""


def action(event: Event) -> str:
    """Return what happened, with the share if that was not all phones."""
    if event.permille is None or (event.action == "push" and event.permille == FULL):
        return event.action
    return f"{event.action}, {percent(event.permille) if event.permille else 'waits'}"
