"""The table of TFX's constructs in docs/runner.md, against the tests that it names."""

import re

import pytest

from nightlite.paths import PROJECT

PAGE = (PROJECT / "docs" / "runner.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## What of TFX works")[2].partition("\n## ")[0]
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ")][2:]


def test_the_table_is_there() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0].strip("| "))
def test_each_row_names_a_test_that_there_is(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert len(cells) == 3 and all(cells)
    [(file, name)] = re.findall(r"`([\w/.]+)::(test_\w+)`", cells[2])
    assert f"def {name}(" in (PROJECT / "tests" / "runner" / file).read_text(encoding="utf-8")
