"""The typer apps of `nightlite`, all of one form."""

import typer


def command_app(about: str | None = None) -> typer.Typer:
    """Return an app without commands yet. In markdown, the lines of a docstring's paragraph flow in `--help`."""
    return typer.Typer(
        help=about,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
