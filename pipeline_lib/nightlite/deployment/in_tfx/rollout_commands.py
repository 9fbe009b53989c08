"""Commands `nightlite models rollback`, `rollout` and `halt`: which phones get which release."""

from typing import Annotated

import typer

from nightlite.deployment.command_app import ModelName
from nightlite.deployment.in_tfx.found_releases import find, releases_of, user, verified
from nightlite.errors import ReleaseError
from nightlite.ondevice.in_tfx.publish_feed import publish_by_hand
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.plan import percent as percent_of
from nightlite.ondevice.rollout.plan import permille_of
from nightlite.ondevice.rollout.state import RollOut
from nightlite.ondevice.rollout.words import next_step, phones
from nightlite.ondevice.settings import rollout_plan, settings


def rollback(
    version: Annotated[int, typer.Argument(help="the new target of `latest`")],
    reason: Annotated[str, typer.Option(help="goes to the history")],
    model_name: ModelName = None,
    who: Annotated[str, typer.Option(help="goes to the history; default: you")] = "",
) -> None:
    """Give another release to all phones, and point `latest` to it. The next run compares its model with that one."""
    releases = releases_of(model_name)
    verified(find(releases, version))
    before = _latest_if_readable(releases)
    release = releases.rollback(version, who=who or user(), why=reason)
    print(f"latest is release {release.version} now (sha256 {release.manifest.sha256})")
    _publish(releases)
    changes = release.manifest.app_contract.changes(before.manifest.app_contract) if before else ()
    if before and changes:
        print(
            f"Its contract is another than release {before.version}'s ({'; '.join(changes)}): an app made for that one "
            "must not use it, and the next run of that contract is refused unless it says least_app_version"
        )


def rollout(
    version: Annotated[int, typer.Argument(help="a release newer than the one that all phones get")],
    percent: Annotated[float, typer.Option(min=0.1, max=100, help="its share of the phones on stable from now on")],
    reason: Annotated[str, typer.Option(help="goes to the history")] = "by hand",
    model_name: ModelName = None,
    who: Annotated[str, typer.Option(help="goes to the history; default: you")] = "",
) -> None:
    """Give a release to a share of the phones on stable, and to all of beta. A share only grows.

    It restores a halted release, and takes the place of another one that is rolling out.
    """
    releases = releases_of(model_name)
    verified(find(releases, version))
    before = releases.state().rolling
    state = releases.roll_out(version, permille_of(percent), who=who or user(), why=reason)
    if before and before.version != version:
        print(f"It takes the place of release {before.version}, which {percent_of(before.permille)} had")
    _say(releases, state)
    _publish(releases)


def halt(
    version: Annotated[int, typer.Argument(help="a release that not all phones get yet")],
    reason: Annotated[str, typer.Option(help="goes to the history")],
    model_name: ModelName = None,
    who: Annotated[str, typer.Option(help="goes to the history; default: you")] = "",
) -> None:
    """Withdraw a release that is rolling out. Phones that have it go back to the last one that all phones got.

    A newer release that waits is not withdrawn by that.
    """
    releases = releases_of(model_name)
    state = releases.halt(version, who=who or user(), why=reason)
    print(f"release {version} is withdrawn, and no run pushes its file again")
    _say(releases, state)
    if state.waiting:
        print(f"To withdraw that one, too: nightlite models rollback --model {releases.model} {state.served}")
    _publish(releases)


def _say(releases: Releases, state: RollOut) -> None:
    """Print which phones get what, and the next step."""
    for version in sorted(state.versions, reverse=True):
        print(f"release {version}: {phones(state, version) or 'none'}")
    if said := next_step(state, rollout_plan(releases.model)):
        print(said)


def _publish(releases: Releases) -> None:
    """Tell phones at once, where there are feeds. The feed's DAG would do so within a day."""
    if settings().has_feeds:
        print(publish_by_hand(releases.model, settings()))


def _latest_if_readable(releases: Releases) -> Release | None:
    try:
        return releases.latest()
    except ReleaseError:
        return None  # damaged, which may be why someone rolls back
