"""The glossary: the terms that a reader needs, each with a page that explains it."""

import re

import pytest

from nightlite.ondevice.results.outcome import Outcome
from tests.setup.test_docs import PROJECT, links, problem

PAGE = PROJECT / "docs" / "reference" / "glossary.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (?!term|---)", line)
]
TERMS = {term.strip() for row in ROWS for term in row[0].split(",")}
NEEDED = (
    *("span", "node", "gate", "blessing", "release", "anchor", "feed", "outlet", "Asset", "candidate", "manifest"),
    *("contract", "golden examples", "drift", "pipeline root", "warm server", "compiled pipeline", "run parameter"),
    *("approval", "roll-out"),
)


@pytest.mark.parametrize("term", NEEDED)
def test_a_term_that_the_docs_rely_on_is_explained(term: str) -> None:
    assert term in TERMS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_is_a_short_text_and_a_link(row: list[str]) -> None:
    _, meaning, more = row
    assert meaning.endswith(".") and len(re.findall(r"[.:] ", f"{meaning} ")) <= 4
    assert re.search(r"\]\([^)]+\.md", more)


def test_each_link_leads_to_a_page_and_a_heading() -> None:
    assert [found for link in links(PAGE) if (found := problem(PAGE, link))] == []


def test_no_term_is_explained_twice() -> None:
    assert len(TERMS) == sum(len(row[0].split(",")) for row in ROWS)


def test_its_outcomes_are_the_codes() -> None:
    [meaning] = [row[1] for row in ROWS if row[0] == "outcome"]
    assert set(re.findall(r"`(\w+)`", meaning)) <= {outcome.value for outcome in Outcome}
