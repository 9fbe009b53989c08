"""The rows of docs/reference/faults.md: each says what to do, and names tests that exist."""

import re

import pytest

from tests.setup.test_docs import PROJECT

PAGE = (PROJECT / "docs" / "reference" / "faults.md").read_text(encoding="utf-8")
HEAD = "| fault | what you see | what to do | what is left | what proves it |"


def rows() -> list[list[str]]:
    """Return the cells of each row of each table of faults."""
    found, within = [], False
    for line in PAGE.splitlines():
        within = line == HEAD or (within and line.startswith("|"))
        if within and line != HEAD and not line.startswith("| ---"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_row_says_everything_by_itself(row: list[str]) -> None:
    assert len(row) == 5 and all(row)
    assert not [cell for cell in row if re.match(r"(the same|as above)\b(?! \w)", cell)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_rows_tests_exist(row: list[str]) -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", row[4])
    assert named
    for name in named:
        path = PROJECT / name
        modules = [path] if path.suffix else sorted(path.rglob("test_*.py"))
        assert modules and all("def test_" in module.read_text(encoding="utf-8") for module in modules), name


def test_every_module_of_the_folder_of_faults_proves_a_row() -> None:
    modules = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "tests" / "faults").rglob("test_*.py")}
    assert len(ROWS) > 70
    assert {name for name in modules if not any(name in row[4] for row in ROWS)} == set()
