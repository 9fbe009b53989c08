"""Command `nightlite feed fetch`: a phone's part of a feed, on any machine."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightlite.deployment.models import model_named
from nightlite.errors import FeedError, FeedRefusedError, UsageError
from nightlite.ondevice.feed.choice import LITERT
from nightlite.ondevice.rollout.state import CHANNELS
from nightlite.ondevice.settings import settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

EXIT_REFUSED = 3
EPILOG = "Example: nightlite feed fetch https://models.example.com/NAME/ --model NAME --installation lab-1 --into phone"


def fetch(
    url: Annotated[str, typer.Argument(metavar="URL", help="the address of the model's feed")],
    installation: Annotated[str, typer.Option(help="names this installation; decides when a staged release comes")],
    into: Annotated[
        Path, typer.Option(metavar="DIR", help="a folder for this alone; the file is current/model.tflite")
    ],
    model_name: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="of the feed; needed unless there is only one here")
    ] = None,
    keys: Annotated[
        list[Path] | None,
        typer.Option(help="public keys in PEM, the current one first; repeatable; default: this deployment's"),
    ] = None,
    app_version: Annotated[int, typer.Option(min=0, help="as a release's least_app_version counts")] = 1,
    runtime_version: Annotated[str, typer.Option(help="of TensorFlow Lite, or litert, newer than any")] = LITERT,
    channel: Annotated[str, typer.Option(help="stable or beta")] = "stable",
) -> None:
    """Fetch the newest file that an app may have, and use it only if all checks pass.

    It checks the feed's signature, its age, the file's sha256, and its golden examples in LiteRT. After a failure
    the last good file stays.

    Exit code: 0 the file is as new as it may be; 1 the server or the folder cannot be used: try again later; 2 usage;
    3 what the server sends was refused: someone should look.
    """
    from nightlite.ondevice.feed_client.acceptance import Expected
    from nightlite.ondevice.feed_client.client import App, FeedClient
    from nightlite.ondevice.feed_client.memory import ClientFolder
    from nightlite.ondevice.in_tfx.golden_check import golden_check

    expected = Expected(model_name or model_named(None).name, _channel(channel), _app_keys(keys))
    app = App(installation, app_version, _runtime(runtime_version), golden_check)
    folder = ClientFolder(into)
    try:
        fetched = FeedClient(url, expected, app, folder).fetch()
    except FeedRefusedError as error:
        print(f"nightlite: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_REFUSED) from None
    if folder.current() is None:
        raise FeedError(f"expected a release for version {app_version} of the app. Received: none; ask a newer app's")
    print(fetched)


def _app_keys(files: list[Path] | None) -> "dict[str, EllipticCurvePublicKey]":
    """Return the keys by their ids, in the order of the files."""
    from nightlite.ondevice.feed import keys

    found = files or [settings().feed_keys_dir / keys.APP_KEYS_FILE]
    try:
        return keys.public_keys(b"\n".join(file.read_bytes() for file in found))
    except OSError as error:
        raise UsageError(f"--keys: {error.filename} cannot be read: {error.strerror}") from None
    except FeedError as error:
        raise UsageError(f"--keys: {error}") from None


def _runtime(version: str) -> str:
    if version != LITERT and not re.fullmatch(r"[0-9]+(\.[0-9]+)*", version):
        raise UsageError(f"--runtime-version: expected a version such as 2.17, or {LITERT}. Received: {version!r}")
    return version


def _channel(name: str) -> str:
    if name not in CHANNELS:
        raise UsageError(f"--channel: expected one of {', '.join(CHANNELS)}. Received: {name!r}")
    return name
