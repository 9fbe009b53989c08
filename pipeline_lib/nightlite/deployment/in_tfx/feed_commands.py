"""Command `nightlite feed`: make and rotate keys, publish, show what phones are told, and fetch as they do."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.in_tfx import feed_fetch
from nightlite.deployment.models import model_named, names
from nightlite.errors import FeedError, NightliteError
from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.document import Document, Offer
from nightlite.ondevice.feed.folder import FeedFolder, Signed
from nightlite.ondevice.in_tfx.publish_feed import publish_by_hand, renew, sentence
from nightlite.ondevice.rollout.plan import FULL, percent
from nightlite.ondevice.rollout.state import CHANNELS, Channel
from nightlite.ondevice.settings import is_enabled, settings

app = command_app()
feed = command_app("The feed: how releases come to phones.")
app.add_typer(feed, name="feed")
feed.command(epilog=feed_fetch.EPILOG, no_args_is_help=True)(feed_fetch.fetch)


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@feed.command("keys", epilog="Example: nightlite feed keys")
def make_keys() -> None:
    """Make the two pairs of keys, unless there are some, and print the public ones. An app ships both.

    With keys, each model has a feed, and a DAG that publishes it.
    """
    _print_keys(keys.make(settings().feed_keys_dir))


@feed.command(epilog="Example: nightlite feed rotate")
def rotate(
    again: Annotated[
        bool, typer.Option("--again", help="also soon after a rotation; locks out apps with keys of before it")
    ] = False,
) -> None:
    """Make the next key the current one, make a new next key, and publish every feed.

    Apps that have the current and the next key go on. Give the next version of the app the two keys that are
    printed. A second rotation within 30 days is refused, for apps of before the first one know neither key then.
    """
    folder = settings().feed_keys_dir
    old, new = keys.read(folder), keys.rotate(folder, again=again)
    print(f"rotated: {new.current} signs now. The private key of {old.current} was removed")
    _print_next(new)
    print(f"The app's next version must ship {new.app_keys}:\n{new.app_keys.read_text()}", end="")
    print(f"One with a TUF client: {new.newest_root}. Apps on phones go on until the rotation after this one")
    # No model is imported: a broken one is no reason to go on with the old key.
    failed = [error for name in names() if is_enabled(name) and (error := _published(name))]
    if failed:
        raise FeedError(f"the keys are rotated, but not every feed is published: {'; '.join(failed)}")


@feed.command(epilog="Example: nightlite feed publish --model NAME")
def publish(model_name: ModelName = None) -> None:
    """Publish a model's feed, as its DAG does each day and after each release.

    A roll-out whose next step is due takes it.
    """
    name = model_named(model_name).name
    print(sentence(name, renew(name, settings())))


@feed.command(epilog="Examples: nightlite feed show --model NAME; nightlite feed show --channel beta --json")
def show(
    model_name: ModelName = None,
    channel: Annotated[str | None, typer.Option(help="beta or stable; default: both, with --json stable")] = None,
    json: Annotated[bool, typer.Option("--json", help="the document itself")] = False,
) -> None:
    """Show what phones are told.

    Exit code: 0 all is well; 1 there is no feed, it is not signed by a key of ours, or it has expired.
    """
    config, name = settings(), model_named(model_name).name
    ours, folder = keys.read(config.feed_keys_dir), FeedFolder(config.folders(name).feed)
    expired = False
    for which in _channels(channel or ("stable" if json else None)):
        if (found := folder.read(which, ours)) is None:
            raise FeedError(
                f"expected a document with a signature of ours in {folder.channel(which)}. Received: none; "
                "publish one with 'nightlite feed publish'"
            )
        print(found.content.decode() if json else "\n".join(_lines(found, ours)))
        expired = expired or found.document.is_expired(datetime.now(UTC))
    raise typer.Exit(1 if expired else 0)


def _channels(channel: str | None) -> list[Channel]:
    if channel not in (None, *CHANNELS):
        raise typer.BadParameter(f"--channel: expected {' or '.join(CHANNELS)}. Received: {channel!r}")
    return [known for known in CHANNELS if channel in (None, known)]


def _lines(found: Signed, ours: keys.FeedKeys) -> list[str]:
    said, now = found.document, datetime.now(UTC)
    key = "the current key" if said.key_id == ours.current else "an older key"
    until = "EXPIRED" if said.is_expired(now) else "good until"
    return [
        f"{said.model}, {said.channel}: sequence {said.sequence} of {said.issued:%Y-%m-%d %H:%M} UTC, "
        f"{until} {said.expires:%Y-%m-%d %H:%M} UTC, signed by {key} ({said.key_id})",
        *(_offers(said) or ["  no offer: phones use the file that came with the app"]),
    ]


def _offers(said: Document) -> list[str]:
    return [
        f"  {offer.version} to {_share(offer.share_permille, is_first=number == 0)}, {_least(offer)}: "
        f"{offer.size:,} bytes, sha256 {offer.sha256}"
        for number, offer in enumerate(said.offers)
    ]


def _share(permille: int, *, is_first: bool) -> str:
    """Return the share in words. A phone takes the first offer that is for it, so the next ones are for the others."""
    share = "all" if permille == FULL else percent(permille)
    if is_first:
        return share
    return "all others" if permille == FULL else f"{share} of the others"


def _least(offer: Offer) -> str:
    """Return what an app needs."""
    runtime = f", TensorFlow Lite {offer.least_runtime_version} or newer" if offer.least_runtime_version else ""
    return f"app {offer.least_app_version} or newer{runtime}"


def _published(name: str) -> str:
    """Publish one of several feeds. Return the reason why it could not be done, or ""."""
    try:
        print(publish_by_hand(name, settings()))
    except NightliteError as error:
        return f"{name}: {error}"
    return ""


def _print_keys(found: keys.FeedKeys) -> None:
    print(f"current key {found.current}: signs now. {found.folder / f'{found.current}.pem'} is its secret half")
    _print_next(found)
    print(f"An app ships both public keys, {found.app_keys}:\n{found.app_keys.read_text()}", end="")
    print(f"An app with a TUF client ships {found.newest_root} instead")


def _print_next(found: keys.FeedKeys) -> None:
    print(
        f"next key    {found.next}: signs after 'nightlite feed rotate'. Until then, keep {found.next}.pem away from "
        "this machine, and put it back to rotate"
    )


if __name__ == "__main__":
    sys.exit(run_commands(app))
