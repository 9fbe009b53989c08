"""The runner runs anybody's pipeline: its code has no word of the product that joins it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightlite.paths import SOURCES

RUNNER = SOURCES / "nightlite" / "runner"
PRODUCT = re.compile("ondevice|deployment|releases?|gates?|reports?|approvals?|approved?|notices?")
# TFX's own: the executors and drivers of an intermediate representation.
OF_TFX = re.compile("deployment_?config", re.IGNORECASE)


def texts(source: str) -> Iterator[str]:
    """Yield each identifier and each string of a module, but for docstrings."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) not in docstrings:
            for _, value in ast.iter_fields(node):
                yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def product_words(source: str) -> set[str]:
    words = (
        word.lower()
        for text in texts(source)
        for word in re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])", OF_TFX.sub("", text))
    )
    return {word for word in words if PRODUCT.fullmatch(word)}


@pytest.mark.parametrize("path", sorted(RUNNER.rglob("*.py")), ids=lambda path: path.relative_to(RUNNER).as_posix())
def test_the_runners_code_has_no_word_of_the_product(path: Path) -> None:
    assert product_words(path.read_text()) == set()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("from nightlite.ondevice.gates import table", {"ondevice", "gates"}),
        ("def gate_before(x): ...", {"gate"}),
        ("x = MyRelease(report=1).approval", {"release", "report", "approval"}),
        ("x = f'{y}/releases/*.py'", {"releases"}),
        ("global notice", {"notice"}),
        ("'A docstring on gates'\nx = ir['deploymentConfig'].deployment_config, aggregate(navigated)", set()),
    ],
)
def test_a_word_of_the_product_is_found_in_code_only(source: str, words: set[str]) -> None:
    assert product_words(source) == words
