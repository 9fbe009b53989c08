"""Command `nightlite tfx-env`."""

from pathlib import Path
from typing import Annotated

import typer

from nightlite.runner.settings import settings
from nightlite.runner.tfx_env.host import SetupError, say
from nightlite.runner.tfx_env.make_tfx_env import make_tfx_env

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command("tfx-env", epilog="Example: nightlite tfx-env /opt/tfx")
def tfx_env(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="its folder; default: that of NIGHTLITE_TFX_PYTHON")
    ] = None,
) -> None:
    """Make or update the TFX environment, from this version's own lock, with this very nightlite in it.

    It needs a C++ compiler, Python's headers, 5 GB of disk and PyPI; Debian 12 also a mirror of Debian's. If it is
    interrupted, run it again: it goes on from there. Exit code: 0 done; 1 a step failed; 2 the folder holds something
    else; 3 this host lacks something.
    """
    default = settings().tfx_python
    try:
        python = make_tfx_env(folder or default.parent.parent)
    except SetupError as error:
        if str(error):
            say(str(error))
        raise typer.Exit(error.code) from None
    except KeyboardInterrupt:
        say("interrupted; run it again, it goes on from here")
        raise typer.Exit(130) from None
    print(python)
    say("done; next: nightlite compile MODULE:FUNCTION --output FILE, in your pipeline's folder (docs/runner.md)")
    if python != default:
        say(f"set NIGHTLITE_TFX_PYTHON={python} for Airflow's processes and the nightlite command")
