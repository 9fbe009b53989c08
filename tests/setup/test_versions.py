"""One version number everywhere, and the numbers of the file formats that docs/explanation/versions.md promises."""

import importlib
import re
import tomllib

import pytest

from nightlite import VERSION
from nightlite.paths import PROJECT

PAGE = PROJECT / "docs" / "explanation" / "versions.md"
ROW = re.compile(r"^\|.*\| (\d+) \| `([\w.]+)\.(\w+)` \|$", re.MULTILINE)
FORMATS = [(module, name, int(number)) for number, module, name in ROW.findall(PAGE.read_text(encoding="utf-8"))]
CHANGELOG_BYTES = 5_000


def test_changelog_package_and_code_name_one_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0]
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert newest == declared == VERSION


@pytest.mark.parametrize(("module", "name", "number"), FORMATS, ids=lambda value: str(value))
def test_a_format_has_the_number_that_the_docs_promise(module: str, name: str, number: int) -> None:
    assert getattr(importlib.import_module(module), name).model_fields["schema_version"].default == number


def test_every_format_with_a_number_is_in_the_docs() -> None:
    sources = (PROJECT / "pipeline_lib" / "nightlite").rglob("*.py")
    numbered = {
        ".".join(path.relative_to(PROJECT / "pipeline_lib").with_suffix("").parts)
        for path in sources
        if "schema_version: Literal" in path.read_text(encoding="utf-8")
    }
    # An artifact that only the pipeline's own nodes read.
    assert numbered - {"nightlite.ondevice.in_tfx.answers.eval_answers"} == {module for module, _, _ in FORMATS}


def test_the_changelog_stays_short() -> None:
    assert len((PROJECT / "CHANGELOG.md").read_bytes()) < CHANGELOG_BYTES
