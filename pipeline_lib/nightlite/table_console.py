"""Where the commands of both environments print their tables."""

import sys

from rich.console import Console


def table_console() -> Console:
    """A console as wide as the terminal; where nobody looks at it, 80 columns are no bound."""
    return Console(width=None if sys.stdout.isatty() else 240)
