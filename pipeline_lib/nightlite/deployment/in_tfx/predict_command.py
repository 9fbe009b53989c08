"""Command `nightlite predict` of a model whose examples are rows of a table."""

import json
import sys
from typing import Annotated

import typer
from rich.table import Table

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.models import model_named
from nightlite.ondevice.in_tfx.predict.answers import Answer, answers
from nightlite.ondevice.results.percent import percent
from nightlite.ondevice.settings import settings
from nightlite.table_console import table_console

app = command_app()


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command(
    epilog="Examples: nightlite predict --model NAME rows.csv; nightlite predict --model NAME rows.parquet --json",
    no_args_is_help=True,
)
def predict(
    rows: Annotated[list[str], typer.Argument(metavar="FILE|NAME=VALUE...", help="a table, or each column of one row")],
    model_name: ModelName = None,
    version: Annotated[int | None, typer.Option(help="a release; default: the latest")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a row")] = False,
) -> None:
    """Print the answer to each row of a CSV or Parquet file, by the released file in LiteRT alone.

    Columns are found by their names, others are not read. A category is a word of its vocabulary. An empty cell is a
    missing value. NAME=VALUE for each column describes a single row; NAME= is a missing value.

    Exit code: 0 each row has its answer; 1 the table cannot be read, or there is no release to ask; 2 usage.
    """
    from nightlite.ondevice.in_tfx.predict import rows as rows_of
    from nightlite.ondevice.in_tfx.predict.released_model import ReleasedModel

    model = model_named(model_name)
    released = ReleasedModel(model, settings(), version)
    asked = rows_of.read(rows, released.features)
    said, number = released.release.manifest, released.release.version
    found = list(answers(released.ask(asked.inputs), said.labels, said.unit, number, asked.first))
    if as_json:
        for answer in found:
            print(json.dumps(answer.as_json()))
    else:
        table_console().print(_table(found))


def _table(found: list[Answer]) -> Table:
    table = Table(title=f"Release {found[0].release}")
    table.add_column("row", justify="right")
    table.add_column("label" if found[0].probabilities else "value")
    for label in found[0].probabilities:
        table.add_column(label, justify="right")
    for answer in found:
        table.add_row(str(answer.row), str(answer), *map(percent, answer.probabilities.values()))
    return table


if __name__ == "__main__":
    sys.exit(run_commands(app))
