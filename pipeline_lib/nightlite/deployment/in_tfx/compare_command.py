"""Command `nightlite compare`: two releases or runs of a model, side by side on the same data."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nightlite import durable, native_log
from nightlite.deployment import comparison_tables
from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.models import model_named
from nightlite.deployment.settings import settings
from nightlite.errors import UsageError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.report.file_comparison import FileComparison
from nightlite.table_console import table_console

app = command_app()
_EXAMPLES = (
    "Examples: nightlite compare --model NAME 6 7; "
    "nightlite compare --model NAME latest manual__2026-11-24T03:00:00+00:00 -o page.html; "
    "nightlite compare --model NAME 6 latest --json"
)


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command(epilog=_EXAMPLES)
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="a release's number, `latest`, or a run's id")],
    b: Annotated[str, typer.Argument(metavar="B", help="likewise")],
    model_name: ModelName = None,
    page: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PAGE.html", help="also write it as one HTML file")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
) -> None:
    """Compare two releases or runs of a model: figures, gates, classes, examples on which they differ, the paired test.

    Both files run in LiteRT on this machine, on the eval split of the newer one. They must have one contract.

    Exit code: 0 they are compared, whichever is better; 1 they cannot be: another contract, damaged, data that is gone,
    or a file that LiteRT cannot run; 2 usage: there is no such release or run.
    """
    if page and not page.expanduser().absolute().parent.is_dir():
        raise UsageError(f"--output: expected a file in a folder that exists. Received: {page}")
    found = _compared(model_named(model_name), a, b)
    if page:
        _write(found, page.expanduser())
    if as_json:
        print(found.model_dump_json(indent=1, exclude={"card": True, "shown": {"__all__": {"png"}}}))
        return
    for part in comparison_tables.tables(found):
        table_console().print(part)
    if page:
        print(f"The page: {page}")


def _compared(model: OnDeviceModel, a: str, b: str) -> FileComparison:
    from nightlite.ondevice.in_tfx.compare.lookup import candidate
    from nightlite.runner.in_tfx import node_log

    config = settings()
    node_log.quiet()
    with (
        Console(stderr=True).status("looking for both files") as status,
        candidate(a, model, config) as first,
        candidate(b, model, config) as second,
    ):
        status.update(f"running {first.title} and {second.title} in LiteRT")
        with native_log.muted():
            from nightlite.ondevice.in_tfx.compare.comparing import compared
        return compared(first, second, model, config)


def _write(found: FileComparison, page: Path) -> None:
    from nightlite.ondevice.in_tfx.compare.page import render

    durable.write(page, render(found).encode())


if __name__ == "__main__":
    sys.exit(run_commands(app))
