"""Check and use of a release on one private copy, so that no one can swap a file in between."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases import signing
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.settings import Settings


@contextlib.contextmanager
def checked(release: Release, settings: Settings) -> Iterator[tuple[Release, str]]:
    """Copy a release into a private folder for the length of the block, and check the copy's files and signature.

    Yields the copy, and a sentence on its signature.

    Raises:
      ReleaseError: a file is missing, foreign or differs from the manifest, or the signature is not good.
    """
    with tempfile.TemporaryDirectory(prefix="release-") as temporary:
        folder = Path(temporary, release.folder.name)
        try:
            folder.mkdir()
            release.copy_to(folder)
            copy = Release.read(folder)
            copy.verify()
            signature = signing.verify(copy, settings)
        except ReleaseError as error:
            raise ReleaseError(str(error).replace(str(folder), str(release.folder))) from None
        except OSError as error:
            raise ReleaseError(f"{release.folder}: cannot be copied to be checked: {error.strerror}") from None
        yield copy, signature


def export(
    release: Release, destination: Path, settings: Settings, check: Callable[[Release], object] = lambda _: None
) -> None:
    """Copy a checked release into a new folder, whole or not at all.

    Args:
      check: looks at the private copy as well, and raises ReleaseError.

    Raises:
      ReleaseError: the release is damaged, or `destination` exists, is among the releases, or cannot be made.
    """
    if destination.exists():
        raise ReleaseError(f"expected a folder that does not exist yet. Received: {destination}")
    releases = release.folder.parent.resolve()
    if destination.resolve().is_relative_to(releases):
        raise ReleaseError(f"expected a folder outside the releases in {releases}. Received: {destination}")
    with checked(release, settings) as (copy, _):
        check(copy)
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            with durable.new_folder(destination) as folder:
                copy.copy_to(folder)
        except OSError as error:
            raise ReleaseError(f"{destination}: cannot be written: {error.strerror or error}") from None
