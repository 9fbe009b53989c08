"""Command `nightlite new`: a model of your own, as a copy of another."""

import sys
from typing import Annotated

import typer

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import command_app
from nightlite.deployment.own_model import new_model
from nightlite.deployment.setting_check import known_variables
from nightlite.paths import PROJECT

app = command_app()


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command(no_args_is_help=True, epilog="Then: nightlite check-model NAME. docs/your-own-model.md leads on.")
def new(
    name: Annotated[str, typer.Argument(help="the new model's: a-z, 0-9 and _")],
    like: Annotated[str, typer.Option(metavar="MODEL", help="the model to copy")],
) -> None:
    """Make a model of your own: `models/NAME/`, `dags/NAME.py` and `tests/models/NAME/`, a copy of another model.

    Nothing is overwritten. Exit code 2: there is no such model to copy, or the name is malformed, reserved or taken.
    """
    made = new_model.make(name, like, known_variables())
    for place in made:
        print(place.relative_to(PROJECT))
    print(
        f"{name} does what {like} does, on the same data, until you change it: its features, its ingest, its texts in "
        f"on_device.py. Then: nightlite check-model {name}. docs/your-own-model.md leads on"
    )


if __name__ == "__main__":
    sys.exit(run_commands(app))
