"""Ingest of new data for programs: what the watched folder's task runs in this environment.

python -m nightlite.ondevice.in_tfx.ingest.run_ingest MODULE:FUNCTION SOURCE FOLDER

It prints one JSON object: `span`, `examples`, `sha256`, `new`, `newest`, and `said`, a sentence for people. Exit code
1: the last line on standard error says why.
"""

import json
import sys
from pathlib import Path
from typing import Any

from nightlite.errors import NightliteError
from nightlite.ondevice.spans import Span, numbers
from nightlite.runner.hooks import load


def ingest(function: str, source: str, data_dir: Path) -> tuple[Span, bool]:
    """Make the data of a source the next span. Return the span that holds it, and whether it is the newest.

    Args:
      function: the model's `ingest`, as `module:function`.
      source: one of the model's sources, or a folder.
      data_dir: the model's folder of spans.

    Raises:
      DataError: the source is malformed, or the span could not be written.
    """
    span: Span = load(function)(source, data_dir)
    return span, span.number == numbers(data_dir)[-1]


def answer(span: Span, newest: bool) -> dict[str, Any]:
    """Return the answer of an ingest to a program, as the module describes it."""
    return {**span.event(), "new": span.created, "newest": newest, "said": str(span)}


def main(arguments: list[str]) -> int:
    function, source, data_dir = arguments
    try:
        found = ingest(function, source, Path(data_dir))
    except NightliteError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(answer(*found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
