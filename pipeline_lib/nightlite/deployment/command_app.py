"""The typer apps of `nightlite`, all of one form."""

from typing import Annotated

import typer

ModelName = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="needed only where there is more than one")
]


def command_app(about: str | None = None) -> typer.Typer:
    """Return an app without commands yet. In markdown, the lines of a docstring's paragraph flow in `--help`."""
    return typer.Typer(
        help=about,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
