"""The check of `make lint-english` that docstrings say what something does or is. None opens with a question word.

python docs/docstrings.py FILE ...: exit code 1, and each such docstring, where they are 2 % of all or more.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ADMITTED_SHARE = 0.02
QUESTION = re.compile(r"(What|Whether|Who(?:ever|se)?|How|Which|Where|When|Why)\b")
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the first line of each docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            yield f"{path}:{node.body[0].lineno}", text.partition("\n")[0]


def main(names: Iterable[str]) -> int:
    """Print the docstrings that open with a question word, if there are too many; return the exit code."""
    found = [item for name in names for item in docstrings(Path(name))]
    questions = [f"{place}: {text}" for place, text in found if QUESTION.match(text)]
    if len(questions) < ADMITTED_SHARE * len(found) or not questions:
        return 0
    print(*questions, sep="\n")
    print(
        f"expected under {ADMITTED_SHARE:.0%} of the docstrings to open with a question word. Received: "
        f"{len(questions)} of {len(found)}. Open a function's with a verb (Return, Write), a class's with a noun"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
