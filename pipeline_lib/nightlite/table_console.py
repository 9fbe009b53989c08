"""Console for the tables of both environments' commands."""

import sys

from rich.console import Console


def table_console() -> Console:
    """Return a console as wide as the terminal, or 240 columns wide without a terminal."""
    return Console(width=None if sys.stdout.isatty() else 240)
