"""Words of one example model that no text and no name of the library may hold: it knows no particular model."""

import re

from tests.setup.test_tracked_files import PROJECT, files

LIBRARY = PROJECT / "pipeline_lib" / "nightlite"
# As a word, or as a part of a name: Trainer.mnist_lite, _KERAS_DIGIT.
WORD = re.compile(r"(?<![a-z0-9])(?:mnist\w*|penguins?|digits?|handwritten)(?![a-z0-9])", re.IGNORECASE)
# Technical uses of the word.
ALLOWED = re.compile(r"(?:hex|four significant|other script's|thousands of) digits|digits: int = |:\.\{digits\}%")


def found_in(text: str) -> list[str]:
    """Return the lines that hold such a word, numbered."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"{number}: {line.strip()}" for number, line in lines if WORD.search(ALLOWED.sub("", line))]


def test_the_library_has_no_word_of_a_model() -> None:
    texts = [path for path in files() if path.is_relative_to(LIBRARY)]
    assert len(texts) > 100
    found = {str(path.relative_to(LIBRARY)): found_in(path.read_text(encoding="utf-8")) for path in texts}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_words_are_found_in_texts_and_names_and_technical_uses_are_not() -> None:
    words = ["Trainer.mnist_lite", "MNIST", "mnist5k", "MNIST_DIR", "_KERAS_DIGIT = 1", "a worst digit", "Handwritten"]
    assert len(found_in("\n".join(words))) == len(words)
    assert found_in("40 hex digits\nfour significant digits\ndigits: int = 2\ndigital") == []
