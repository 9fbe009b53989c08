"""Releases that a command is about, checked before it changes or copies them."""

import getpass
import os

from nightlite.deployment.models import model_named
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.checked import checked
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import settings


def verified(release: Release) -> str:
    """Return the results of every check of a release, in words.

    Raises:
      ReleaseError: one failed.
    """
    from nightlite.ondevice.in_tfx.golden_check import require_golden

    with checked(release, settings()) as (copy, signature):
        said = copy.manifest
        return f"{said.size_bytes:,} bytes, sha256 {said.sha256}; {signature}; {require_golden(copy)}"


def find(releases: Releases, version: int | None) -> Release:
    """Return that release, or the latest.

    Raises:
      ReleaseError: there is none.
    """
    release = releases.latest() if version is None else releases.release(version)
    if release is None:
        raise ReleaseError(no_release(releases))
    return release


def releases_of(model_name: str | None) -> Releases:
    return Releases(settings().folders(model_named(model_name).name).releases)


def no_release(releases: Releases) -> str:
    demo = f"'make demo MODEL={releases.model}'"
    return f"no release yet in {releases.folder}: a blessed model's Pusher makes the first ({demo})"


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # a container's user may have no name
