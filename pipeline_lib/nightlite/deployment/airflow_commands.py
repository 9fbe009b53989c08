"""Commands of `nightlite` that start and stop the local Airflow: demo, up, down."""

import sys
from typing import Annotated

import typer

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import command_app
from nightlite.deployment.data_sources import ListsSources
from nightlite.deployment.models import first_model, models
from nightlite.deployment.setting_check import beam_args_without_nodes
from nightlite.deployment.settings import settings

app = command_app()


@app.command(cls=ListsSources, epilog="--dataset {source}; nightlite demo --dataset ~/data")
def demo(
    model_name: Annotated[
        str | None, typer.Option("--model", metavar="NAME", envvar="MODEL", help="default: the first by name")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(envvar="DATASET", help="one of the sources below, or a folder or file; default: the first source"),
    ] = None,
) -> None:
    """Run a model's pipeline once under Airflow and print the outcome.

    Exit code: 0 the model is released (by this run or before) or it was a dry run; 1 the run failed; 3 the model
    was not released; 130 interrupted.
    """
    from nightlite.deployment.local.demo import demo as run_demo

    raise typer.Exit(run_demo(settings(), first_model(model_name), dataset))


@app.command(epilog="Example: NIGHTLITE_PORT=8081 nightlite up")
def up() -> None:
    """Start the local Airflow, unless it is up."""
    from nightlite.deployment.local import stack

    stack.up(settings())
    found = models()
    for name, model in found.items():
        if not (file := settings().compiled_file(model)).exists():
            which = f" --model {name}" if len(found) > 1 else ""
            print(
                f"The DAG {model.pipeline_name} is not there yet: no compiled pipeline at {file}. "
                f"Run 'nightlite ingest{which} {model.usual_source}' for data, and 'make compile'; "
                f"'make demo{which.replace(' --model ', ' MODEL=')}' does both."
            )
    for warning in beam_args_without_nodes(settings()):
        print(warning)


@app.command(epilog="Example: nightlite down")
def down() -> None:
    """Stop the local Airflow, its tasks and the warm TFX servers."""
    from nightlite.deployment.local import stack

    stack.down(settings())


if __name__ == "__main__":
    sys.exit(run_commands(app))
