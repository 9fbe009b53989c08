"""The page behind a task's button *Artifacts*: what its node made, file by file. Names and sizes, no contents."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment

from pipeline_lib.node_result import NodeResult
from pipeline_lib.releases.store import Releases

_MOST_FILES = 200


class Listing(NamedTuple):
    """A folder: its files by their path within it, in bytes. `why_not`: why there are none, or not all of them."""

    title: str
    folder: str
    files: list[tuple[str, int]]
    why_not: str = ""


def node_page(result: NodeResult, pipeline_root: Path, releases: Releases) -> str:
    """The page as HTML.

    Args:
      result: what the node's task said of it.
      pipeline_root: artifacts elsewhere are named, but not looked into.
      releases: of which one is listed, if the node made it or found it.
    """
    listings = [
        _listing(f"{output}: {item.type} {item.id}", item.uri, pipeline_root)
        for output, items in result.outputs.items()
        for item in items
    ]
    if result.pushed_version and result.pushed_to:
        title = f"release {result.pushed_version}: sha256 {result.pushed_sha256 or 'unknown'}"
        listings.append(_listing(title, result.pushed_to, releases.folder))
    text = files("pipeline_lib.airflow").joinpath("node_page.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True).from_string(text).render(node=result, listings=listings)


def _listing(title: str, uri: str, within: Path) -> Listing:
    # An XCom may say anything: links are followed before it is judged.
    folder = Path("/nowhere" if "\0" in uri else uri).resolve()
    if not folder.is_relative_to(within.resolve()):
        return Listing(title, uri, [], f"not in {within}, so not listed")
    if not folder.exists():
        return Listing(title, uri, [], "its files were removed")
    found: list[tuple[str, int]] = []
    for path in _files(folder):
        if len(found) == _MOST_FILES:
            return Listing(title, uri, found, f"and more: only {_MOST_FILES} are listed")
        found.append((str(path.relative_to(folder)) if path != folder else path.name, path.lstat().st_size))
    return Listing(title, uri, found, "" if found else "no files")


def _files(folder: Path) -> Iterator[Path]:
    """Every file below, links not followed; in order."""
    if folder.is_file():
        yield folder
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path
