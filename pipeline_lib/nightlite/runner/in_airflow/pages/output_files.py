"""Lists the outputs of a task's node and finds their files, never one outside of its artifact's folder.

An XCom names an artifact's folder and may say anything, so links are resolved before the path is checked.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nightlite.runner.node_result import NodeResult, OutputArtifact

_MOST_FILES = 200


class NodeOutput(NamedTuple):
    """An artifact, or another output. `key` names it in addresses. Files outside of `within` are never read."""

    key: str
    title: str
    uri: str
    within: Sequence[Path]


class ListedFile(NamedTuple):
    """A file by its path within its output, and its size in bytes."""

    name: str
    size: int


class Listing(NamedTuple):
    """The files of an output. `why_not` is the reason if files are missing from the list."""

    output: NodeOutput
    files: list[ListedFile]
    why_not: str = ""


def artifacts_of(result: NodeResult) -> list[tuple[str, OutputArtifact]]:
    """Return the node's artifacts, each with a title."""
    return [(f"{name}: {item.type} {item.id}", item) for name, items in result.outputs.items() for item in items]


def listing(output: NodeOutput) -> Listing:
    """Return the files of an output in order, without following links."""
    try:
        folder = Path(output.uri).resolve()
        if not _is_within(folder, output.within):
            allowed = " or ".join(map(str, output.within))
            return Listing(output, [], f"not in {allowed}, so not listed")
        if not folder.exists():
            return Listing(output, [], "its files were removed")
        within = folder if folder.is_dir() else folder.parent
        walked = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
        paths = walked if folder.is_dir() else [folder]
        found = [ListedFile(str(path.relative_to(within)), path.lstat().st_size) for path in paths[:_MOST_FILES]]
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a loop of links, a NUL
        return Listing(output, [], f"not readable, so not listed: {error}")
    if len(paths) > _MOST_FILES:
        return Listing(output, found, f"and more: only {_MOST_FILES} are listed")
    return Listing(output, found, "" if found else "no files")


def file_in(within: Sequence[Path], folder: str, name: str) -> Path | None:
    """Return the regular file of that name in a folder, or None if it is missing or outside.

    Args:
      within: one of them must contain the folder itself.
      folder: a folder, or a file, which is then the only one that can be named.
      name: a path within the folder. Links are followed, and must not lead out of it.
    """
    try:
        inner = Path(folder).resolve(strict=True)
        file = (inner if inner.is_dir() else inner.parent).joinpath(name).resolve(strict=True)
        found = file.is_relative_to(inner) and _is_within(inner, within) and file.is_file()
    except (OSError, RuntimeError, ValueError):
        return None
    return file if found else None


def _is_within(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)
