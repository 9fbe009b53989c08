"""Commands `nightlite config` and `nightlite doctor`: what is set here, and what is wrong here."""

import json
import os
import sys
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Column, Table

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import command_app
from nightlite.deployment.command_line.table_console import table_console
from nightlite.deployment.installation.check import Check, State
from nightlite.deployment.installation.shown_settings import DEFAULT, shown_settings
from nightlite.settings_file import settings_of_file

app = command_app()
config = command_app("The settings of this installation.")
app.add_typer(config, name="config")
_STYLES = {State.ok: "green", State.warning: "yellow", State.failed: "red"}


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@config.callback()
def _config() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@config.command("show", epilog="Examples: nightlite config show; nightlite config show --changed --json")
def show_config(
    changed: Annotated[bool, typer.Option("--changed", help="only what is not a default")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects")] = False,
) -> None:
    """Show each setting, its value, and where it is from: default, the model, settings.env or the environment.

    Secrets are shown as dots. Exit code: 0 all can be used; 1 nothing reads a variable, or a value is wrong.
    """
    of_file = settings_of_file()
    # The file was added to the environment, under the names that the environment did not have.
    environ = {name: value for name, value in os.environ.items() if of_file.get(name) != value}
    found = shown_settings(environ, of_file)
    shown = [item for item in found if item.source != DEFAULT or item.problem or not changed]
    if as_json:
        print(json.dumps([item.model_dump() for item in shown], indent=1, ensure_ascii=False))
    else:
        table = Table(Column("setting", no_wrap=True), Column("value", overflow="fold"), "from", box=SIMPLE)
        for item in shown:
            problem = f"[red]{escape(item.problem)}[/] " if item.problem else ""
            table.add_row(item.name, f"{problem}{escape(item.value)}", item.source)
        table_console().print(table)
    raise typer.Exit(1 if any(item.problem for item in found) else 0)


@app.command(epilog="Examples: nightlite doctor; nightlite doctor --json")
def doctor(as_json: Annotated[bool, typer.Option("--json", help="a list of objects")] = False) -> None:
    """Check this installation, a line a check: disk, Pythons, databases, Airflow, DAGs, locks, feeds. Change nothing.

    Exit code: 0 all is well, or there are warnings alone; 1 a check failed.
    """
    from nightlite.deployment.installation.doctor import all_checks

    found: list[Check] = []
    for check in all_checks():
        found.append(check)
        if not as_json:
            _print(check)
    if as_json:
        print(json.dumps([check.model_dump() for check in found], indent=1, ensure_ascii=False))
    raise typer.Exit(1 if any(check.state is State.failed for check in found) else 0)


def _print(check: Check) -> None:
    console = table_console()
    state = f"[{_STYLES[check.state]}]{check.state:<7}[/]"
    console.print(f"{state} {check.name}: {escape(check.found)}", highlight=False, soft_wrap=True)
    if check.to_do:
        console.print(f"        → {escape(check.to_do)}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(run_commands(app))
