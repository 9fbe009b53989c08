"""The page of a comparison: one file in the report's style, of which nothing is markup but its own."""

import re

import pytest

from nightlite.ondevice.in_tfx.compare.page import render
from nightlite.ondevice.report.file_comparison import FileComparison
from tests.ondevice.report.made_comparison import MADE, OF_NUMBERS


def text_of(page: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page[page.index("<main>") :]).split())


def test_it_has_verdict_figures_classes_examples_and_gates() -> None:
    page = render(MADE)
    said = text_of(page)
    assert "A: release 6" in said and "B is detectably worse than A: 1 won, 9 lost of 2,000" in said
    assert "accuracy 95.00 % 94.75 % -0.25 points" in said and "size 2,000 bytes 1,000 bytes -50.0 %" in said
    assert "tulip 1,100 99.00 % 98.00 % -1.00 points" in said
    assert page.count('class="example"') == 24 and "30 of 2,000, the 24 with the largest differences" in said
    assert "no such gate" in said and page.count("✘") == 1 and page.count("✔") == 2
    assert 'aria-label="Change of each class&#39;s accuracy from A to B"' in page


def test_a_regression_has_no_classes() -> None:
    said = text_of(render(OF_NUMBERS))
    assert "mean error 2 cm 1.5 cm -25.0 %" in said and "the 1 of 2,000 with the largest differences" in said.lower()
    assert "Each class" not in said and "is 10.5 cm" in said


@pytest.mark.parametrize("found", [MADE, OF_NUMBERS])
def test_it_needs_no_other_file_and_outside_text_is_no_markup(found: FileComparison) -> None:
    page = render(found)
    assert "<b>" not in page and "&lt;b&gt;[red]evil" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)|<script|url\((?!#)|@import""", page)
