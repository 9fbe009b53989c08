"""The docs as a site: strictly built, whole without a network, and every page in its navigation."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

PROJECT = Path(__file__).resolve().parents[2]
BUILT_FROM = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "mkdocs.yml", "requirements-docs.txt")


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout, or of a copy of its pages, as `make docs` does."""
    uv = shutil.which("uv") or str(PROJECT / ".venvs" / "tools" / "bin" / "uv")
    python = [uv, "run", "--quiet", "--no-project", "--python", ">=3.11,<3.14"]
    python += ["--with-requirements", "requirements-docs.txt"]
    return subprocess.run(
        [*python, "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


class Page(HTMLParser):
    """A built page: its anchors, where its links lead, and what it loads."""

    def __init__(self, file: Path) -> None:
        """Read the page."""
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's attributes."""
        found = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := found.get(name))}
        if address := found.get("href") or found.get("src"):
            self.links.append(address)
            if tag != "a":
                self.loaded.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(PROJECT, folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html") if file.name != "404.html"}


def test_every_link_of_the_built_site_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for file, page in pages.items():
        for link in page.links:
            name, _, anchor = unquote(link).partition("#")
            target = (file.parent / name).resolve() if name else file
            if re.match(r"[\w+]+:", link):
                continue
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                dead.append(f"{file.relative_to(site)}: {link}")
    assert sum(len(page.links) for page in pages.values()) > 1000 and dead == []


def test_every_page_is_built_and_in_the_navigation(site: Path, pages: dict[Path, Page]) -> None:
    sources = {path.relative_to(PROJECT / "docs") for path in (PROJECT / "docs").rglob("*.md")}
    sources |= {Path(name) for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "web/README.md")}
    built = {site / str(path.with_suffix(".html")).replace("README", "index") for path in sources}
    front = site / "index.html"
    reached = {(site / unquote(link.partition("#")[0])).resolve() for link in pages[front].links}
    assert built == pages.keys() and {file for file in built if file.resolve() not in reached} == set()


def test_the_site_loads_nothing_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    assert [link for page in pages.values() for link in page.loaded if re.match(r"(https?:)?//", link)] == []
    styles = "".join(file.read_text(encoding="utf-8") for file in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*['\"]?https?:[^)]*", styles) == []
    # The theme's script would fetch mermaid for such an element.
    assert [file.name for file in pages if 'class="mermaid"' in file.read_text(encoding="utf-8")] == []


def test_a_dead_link_a_dead_anchor_and_a_page_outside_the_navigation_are_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "docs", project / "docs")
    (project / "web").mkdir()
    for name in (*BUILT_FROM, "web/README.md"):
        shutil.copy(PROJECT / name, project / name)
    page = project / "docs" / "how-to" / "stray.md"
    page.write_text("# Stray\n\n[a](nowhere.md) [b](releases.md#no-such-heading)\n", encoding="utf-8")
    built = build(project, tmp_path / "site")
    told = built.stdout + built.stderr
    assert built.returncode == 1
    assert (
        "nowhere.md" in told
        and "no-such-heading" in told
        and "how-to/stray.md" in told.partition("not included in the")[2]
    )
