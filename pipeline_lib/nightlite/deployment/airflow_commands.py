"""Commands of `nightlite` that start and stop the local Airflow: demo, up, down."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nightlite.deployment.cli import run_commands
from nightlite.deployment.settings import settings

_COMPILE = "Run 'nightlite ingest mnist5k' for data, and 'make compile'; 'make demo' does both."
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


class Dataset(StrEnum):
    mnist5k = "mnist5k"
    digits = "digits"
    mnist = "mnist"


@app.command(epilog="Examples: nightlite demo; nightlite demo --mnist-dir ~/mnist")
def demo(
    dataset: Annotated[Dataset, typer.Option(envvar="DATASET", help="which handwritten digits")] = Dataset.mnist5k,
    mnist_dir: Annotated[Path | None, typer.Option(envvar="MNIST_DIR", help="a folder of IDX files instead")] = None,
) -> None:
    """Run the pipeline once under Airflow and print the verdict.

    Exit code: 0 the model is released, 1 the run failed, 3 it ran but the model was refused, 130 interrupted.
    """
    from nightlite.deployment.local.demo import demo as run_demo

    raise typer.Exit(run_demo(settings(), dataset, mnist_dir))


@app.command(epilog="Example: NIGHTLITE_PORT=8081 nightlite up")
def up() -> None:
    """Start the local Airflow, unless it is up."""
    from nightlite.deployment.local import stack

    stack.up(settings())
    if not settings().compiled_path.exists():
        print(f"The DAG mnist_tflite is not there yet: no compiled pipeline at {settings().compiled_path}. {_COMPILE}")


@app.command(epilog="Example: nightlite down")
def down() -> None:
    """Stop the local Airflow, its tasks and the warm TFX servers."""
    from nightlite.deployment.local import stack

    stack.down(settings())


if __name__ == "__main__":
    sys.exit(run_commands(app))
