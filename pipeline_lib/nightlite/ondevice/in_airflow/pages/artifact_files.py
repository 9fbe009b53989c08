"""Lists the outputs of a task's node and finds their files, never one outside of its artifact's folder.

An XCom names an artifact's folder and may say anything, so links are resolved before the path is checked.
"""

import os
from pathlib import Path
from typing import NamedTuple

from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.runner.node_result import NodeResult

RELEASE = "release"
_MOST_FILES = 200


class Place(NamedTuple):
    """An artifact or a release. `key` names it in addresses. Files outside of `within` are never read."""

    key: str
    title: str
    uri: str
    within: Path


class ListedFile(NamedTuple):
    """A file by its path within its place, and its size in bytes."""

    name: str
    size: int


class Listing(NamedTuple):
    """The files of a place. `why_not` is the reason if files are missing from the list."""

    place: Place
    files: list[ListedFile]
    why_not: str = ""


def places_of(result: NodeResult, pipeline_root: Path, releases: Releases) -> list[Place]:
    """Return the node's artifacts, and the release that it made or found."""
    places = [
        Place(str(item.id), f"{output}: {item.type} {item.id}", item.uri, pipeline_root)
        for output, items in result.outputs.items()
        for item in items
    ]
    facts = facts_of(result)
    if facts.pushed_version and facts.pushed_to:
        title = f"release {facts.pushed_version}: sha256 {facts.pushed_sha256 or 'unknown'}"
        places.append(Place(RELEASE, title, facts.pushed_to, releases.folder))
    return places


def listing(place: Place) -> Listing:
    """Return the files of a place in order, without following links."""
    try:
        folder = Path(place.uri).resolve()
        if not folder.is_relative_to(place.within.resolve()):
            return Listing(place, [], f"not in {place.within}, so not listed")
        if not folder.exists():
            return Listing(place, [], "its files were removed")
        within = folder if folder.is_dir() else folder.parent
        walked = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
        paths = walked if folder.is_dir() else [folder]
        found = [ListedFile(str(path.relative_to(within)), path.lstat().st_size) for path in paths[:_MOST_FILES]]
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a loop of links, a NUL
        return Listing(place, [], f"not readable, so not listed: {error}")
    if len(paths) > _MOST_FILES:
        return Listing(place, found, f"and more: only {_MOST_FILES} are listed")
    return Listing(place, found, "" if found else "no files")


def file_in(within: Path, folder: str, name: str) -> Path | None:
    """Return the regular file of that name in a folder, or None if it is missing or outside.

    Args:
      within: must contain the folder itself.
      folder: a folder, or a file, which is then the only one that can be named.
      name: a path within the folder. Links are followed, and must not lead out of it.
    """
    try:
        inner = Path(folder).resolve(strict=True)
        file = (inner if inner.is_dir() else inner.parent).joinpath(name).resolve(strict=True)
        found = file.is_relative_to(inner) and inner.is_relative_to(within.resolve()) and file.is_file()
    except (OSError, RuntimeError, ValueError):
        return None
    return file if found else None
