"""Hooks of mkdocs: the pages that lie outside docs/, the links between all of them, and the diagrams.

A page has the same address on the site as in the repository, but for `docs/`. So each link leads to the same page on
GitHub, in an editor and on the site.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from docs import diagrams

PROJECT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "web/README.md")
_FENCED = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<link>[^)\s]+)\)")
_IN_HTML = re.compile(r"\b(?P<attribute>src|href)=\"(?P<link>[^\"]+)\"")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages outside docs/, and name each decision in the nav."""
    for name in PAGES:
        files.append(File.generated(config, name, content=(PROJECT / name).read_text(encoding="utf-8")))
    [listed] = [part["Decisions"] for part in config.nav if "Decisions" in part]
    listed += sorted(path for path in files.src_uris if re.match(r"decisions/\d", path))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Return a page with links as the site has them, and pictures in place of diagrams' text."""
    name = page.file.src_uri
    if name == "README.md":
        page.meta["hide"] = ["navigation"]  # it has the tabs
    try:
        markdown = diagrams.BLOCK.sub(lambda found: diagrams.picture(found[1]), markdown)
    except diagrams.DiagramError as error:
        raise PluginError(str(error)) from None
    parts = _FENCED.split(markdown)
    return "".join(part if position % 2 else _relinked(part, name, files) for position, part in enumerate(parts))


def _relinked(text: str, page: str, files: Files) -> str:
    text = _IN_HTML.sub(lambda found: f'{found["attribute"]}="{_address(page, found["link"], files)}"', text)

    def link(found: re.Match[str]) -> str:
        address = _address(page, found["link"], files)
        return f"[{found['text']}]({address})" if address else found["text"]

    return _LINK.sub(link, text)


def _address(page: str, link: str, files: Files) -> str:
    """Return a link as the site has it: "" for a file of the repository that the site lacks."""
    name, hash_sign, anchor = link.partition("#")
    if not name or re.match(r"\w+:", link):
        return link
    in_docs = page not in PAGES
    target = posixpath.normpath(posixpath.join("docs" if in_docs else "", posixpath.dirname(page), name))
    source = target.removeprefix("docs/")
    if (PROJECT / target).is_dir():
        source = posixpath.join(source, "README.md")
    if not files.get_file_from_path(source) and (PROJECT / target).exists():
        return ""
    return posixpath.relpath(source, posixpath.dirname(page) or ".") + hash_sign + anchor
