"""The list of workarounds, docs/upstream.md, against the code that it lists."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = PROJECT / "pipeline_lib" / "nightlite"
PAGE = (PROJECT / "docs" / "upstream.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| `")]
REFERENCE = re.compile(r"\[([\w-]+/[\w-]+#\d+)\]")
# How a module patches another: by a table of replacements, or in a function that installs them.
PATCHES = re.compile(r"^(?:REPLACEMENTS\b|def install\()", re.MULTILINE)
# The plugin that switches the others on, and what they share.
UNPATCHING = {"plugin.py", "request.py"}


def listed(row: list[str]) -> list[Path]:
    """Return the files of a row."""
    names = re.findall(r"`([^`]+)`", row[0])
    return [path if (path := SOURCES / name).exists() else PROJECT / name for name in names]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_rows_files_exist_and_name_its_issues(row: list[str]) -> None:
    texts = [path.read_text(encoding="utf-8") for path in listed(row)]
    assert all(row) and len(row) == 6
    modules = "\n".join(text for path, text in zip(listed(row), texts, strict=True) if path.suffix != ".toml")
    assert [name for name in REFERENCE.findall(row[4]) if name not in modules] == []
    assert REFERENCE.search(row[4]) or "none filed" in row[4]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_rows_test_exists(row: list[str]) -> None:
    tests = re.findall(r"`([\w/.]+)::(\w+)`", row[5])
    assert tests or row[5].startswith("none: ")
    for file, name in tests:
        assert f"def {name}(" in (PROJECT / "tests" / file).read_text(encoding="utf-8")
        assert "_still_" in name


def test_every_module_that_patches_is_listed() -> None:
    patching = {path for path in SOURCES.rglob("*.py") if PATCHES.search(path.read_text(encoding="utf-8"))}
    fixes = {
        path for path in (SOURCES / "deployment" / "airflow_fixes").glob("[!_]*.py") if path.name not in UNPATCHING
    }
    assert patching and fixes
    assert patching | fixes <= {path for row in ROWS for path in listed(row)}


def test_every_module_that_names_an_issue_is_listed() -> None:
    named = {path for path in SOURCES.rglob("*.py") if "Upstream: " in path.read_text(encoding="utf-8")}
    assert named <= {path for row in ROWS for path in listed(row)}


def test_airflows_celery_provider_still_imports_what_celery_5_7_no_longer_has() -> None:
    provider = distribution("apache-airflow-providers-celery")
    module = Path(str(provider.locate_file("airflow/providers/celery/executors/celery_executor_utils.py")))
    [imported] = re.findall("from celery.backends.database import (.*)", module.read_text(encoding="utf-8"))
    assert "retry" in imported
