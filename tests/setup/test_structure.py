"""Sizes and names of the tree's modules and folders, measured."""

from collections import Counter

from nightlite.paths import SOURCES

LINES = 250
MODULES = 12
NAMELESS = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}

MODULE_FILES = [path for path in SOURCES.rglob("*.py") if path.stem != "__init__"]


def test_no_module_is_longer_than_a_reader_holds() -> None:
    assert len(MODULE_FILES) > 100
    long = {str(path.relative_to(SOURCES)): len(path.read_text().splitlines()) for path in MODULE_FILES}
    assert {name: lines for name, lines in long.items() if lines > LINES} == {}


def test_no_folder_holds_more_than_a_dozen_modules() -> None:
    folders = Counter(str(path.parent.relative_to(SOURCES)) for path in MODULE_FILES)
    assert {folder: count for folder, count in folders.items() if count > MODULES} == {}


def test_every_name_says_its_subject() -> None:
    parts = {part for path in MODULE_FILES for part in path.relative_to(SOURCES).with_suffix("").parts}
    assert {part for part in parts if NAMELESS & set(part.lower().split("_"))} == set()
