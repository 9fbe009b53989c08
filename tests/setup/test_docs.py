"""Links between this project's pages, and the paths that the pages name."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from docs import docstrings
from tests.setup.test_tracked_files import files

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [path for path in files() if path.suffix == ".md"]
# In full from the project's root, or a module by the last parts of its path.
SOURCE = re.compile(r"`((?:\.ci|bench|dags|docker|docs|pipeline_lib|schema|setup|tests)/[\w./-]+|[\w/]+\.py)`")


def links(page: Path) -> list[str]:
    """Return the addresses of a page's links and pictures, those in HTML too."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    inline = [child for token in tokens for child in token.children or ()]
    html = " ".join(token.content for token in [*tokens, *inline] if token.type in ("html_block", "html_inline"))
    addresses = [token.attrGet("href") or token.attrGet("src") for token in inline]
    return [str(address) for address in [*addresses, *re.findall(r'(?:src|href)="([^"]+)"', html)] if address]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def problem(page: Path, link: str) -> str | None:
    """Return what is wrong with a relative link, if anything is."""
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists():
        return f"{link}: no such file"
    if anchor and anchor not in anchors(target):
        return f"{link}: no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    relative = [link for link in links(page) if not re.match(r"\w+:", link)]
    assert [found for link in relative if (found := problem(page, link))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_paths_of_the_project_exist(page: Path) -> None:
    named = SOURCE.findall(page.read_text(encoding="utf-8"))
    modules = [f"/{path.relative_to(PROJECT)}" for path in files() if path.suffix == ".py"]
    assert [name for name in named if not (PROJECT / name).exists() and not names_one_of(modules, name)] == []


def names_one_of(paths: list[str], end: str) -> bool:
    """Return whether one of the paths ends with these parts."""
    return any(path.endswith(f"/{end}") for path in paths)


def test_the_readme_leads_to_every_page_of_docs() -> None:
    linked = {(PROJECT / link.partition("#")[0]).resolve() for link in links(PROJECT / "README.md")}
    assert [page.name for page in PAGES if page.parent == PROJECT / "docs" and page not in linked] == []


def test_the_readmes_tree_is_of_this_project() -> None:
    tree = (PROJECT / "README.md").read_text(encoding="utf-8").partition("\ndags/")[2].partition("\nvar/")[0]
    parts = {part for path in files() for part in path.relative_to(PROJECT).parts}
    entries = [line[:30] for line in tree.splitlines()]
    named = [name for entry in entries for name in re.findall(r"\w+\.py\b|\w+(?=/)", entry)]
    assert len(named) > 30 and [name for name in named if name not in parts] == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One, two\n\n[a](#one-two) [b](#three) [c](other.md)\n", encoding="utf-8")
    assert links(page) == ["#one-two", "#three", "other.md"]
    assert [problem(page, link) for link in links(page)] == [
        None,
        "#three: no such heading",
        "other.md: no such file",
    ]


def test_docstrings_that_open_with_a_question_word_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""Readers."""\n\n\ndef read():\n    """What it read."""\n', encoding="utf-8")
    assert docstrings.main([str(module)]) == 1
    assert f"{module}:5: What it read." in capsys.readouterr().out
    module.write_text('"""Readers."""\n\n\ndef read():\n    """Whatever; not a question word."""\n', encoding="utf-8")
    assert docstrings.main([str(module)]) == 0
