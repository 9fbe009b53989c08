"""Commands of `nightlite` that start and stop the local Airflow: demo, up, down."""

import sys
from typing import Annotated

import typer

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import command_app
from nightlite.deployment.data_sources import ListsSources
from nightlite.deployment.models import the_model
from nightlite.deployment.settings import settings

app = command_app()


@app.command(cls=ListsSources, epilog="--dataset {source}; nightlite demo --dataset ~/data")
def demo(
    dataset: Annotated[
        str | None,
        typer.Option(envvar="DATASET", help="one of the sources below, or a folder or file; default: the first source"),
    ] = None,
) -> None:
    """Run the pipeline once under Airflow and print the outcome.

    Exit code: 0 the model is released (by this run or before) or it was a dry run; 1 the run failed; 3 the model
    was not released; 130 interrupted.
    """
    from nightlite.deployment.local.demo import demo as run_demo

    raise typer.Exit(run_demo(settings(), dataset))


@app.command(epilog="Example: NIGHTLITE_PORT=8081 nightlite up")
def up() -> None:
    """Start the local Airflow, unless it is up."""
    from nightlite.deployment.local import stack

    stack.up(settings())
    if not settings().compiled_path.exists():
        print(
            f"The DAG {the_model().pipeline_name} is not there yet: no compiled pipeline at "
            f"{settings().compiled_path}. Run 'nightlite ingest {the_model().usual_source}' for data, and "
            "'make compile'; 'make demo' does both."
        )


@app.command(epilog="Example: nightlite down")
def down() -> None:
    """Stop the local Airflow, its tasks and the warm TFX servers."""
    from nightlite.deployment.local import stack

    stack.down(settings())


if __name__ == "__main__":
    sys.exit(run_commands(app))
