"""Command `nightlite predict`: the released file's answer to a picture."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.mnist.predict import drawing
from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import command_app
from nightlite.ondevice.settings import settings

app = command_app()


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command(epilog="Examples: nightlite predict seven.png; nightlite predict *.jpg --json")
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="PNG or JPEG, of one digit each")],
    version: Annotated[int | None, typer.Option(help="a release; default: the latest")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object an image")] = False,
) -> None:
    """Print which digit each picture shows, with the released file in LiteRT alone.

    Pictures may have any size, dark on light or light on dark, photographs too. The digit is cut out and centred as
    in MNIST.

    Exit code: 0 each picture has its digit; 3 "not sure" of one or more: nothing stands out, noise, several marks,
    or no digit is likely; 1 one or more cannot be read, or there is no release to ask. The others have their
    digits.
    """
    from models.mnist.predict import prediction

    predictions = prediction.predict(images, settings(), version)
    console = Console()
    for path, found in zip(images, predictions, strict=True):
        if as_json:
            print(json.dumps({"image": str(path), **found.as_json()}))
        elif found.error:
            print(f"nightlite: {found.error}", file=sys.stderr)
        else:
            console.print(drawing.prediction(path.name, found, colours=console.color_system is not None))
    raise typer.Exit(prediction.exit_code(predictions))


if __name__ == "__main__":
    sys.exit(run_commands(app))
