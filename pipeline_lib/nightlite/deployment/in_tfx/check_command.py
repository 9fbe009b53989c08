"""Command `nightlite check-model`: all that a model owes, on a small part of its data."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from nightlite import native_log
from nightlite.deployment import models
from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import command_app
from nightlite.did_you_mean import did_you_mean
from nightlite.errors import SettingsError, UsageError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import settings

app = command_app()


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command("check-model")
def check(name: Annotated[str, typer.Argument(help="the model, its folder in models/")] = "") -> None:
    """Check a model's declaration, a tiny training, both signatures, and its file in every quantization.

    It uses some hundred examples of the latest span, or of the usual source if there is no span. Nothing is kept.

    Exit code: 0 every check passed; 1 one did not, and the message says what to mend; 2 there is no such model.
    """
    if name not in models.names():
        known, received = models.names(), repr(name) if name else "none"
        raise UsageError(f"{did_you_mean([name], known)}Expected a model ({', '.join(known)}). Received: {received}")
    model, started = models.declared(name), time.monotonic()
    print(f"{name}: the declaration can be read", flush=True)
    from nightlite.runner.in_tfx import node_log

    node_log.quiet()
    native_log.mute_exit()
    with native_log.muted():
        from nightlite.ondevice.in_tfx.model_check.check_model import check_model
    for line in check_model(model, settings().folders(name).data, _others(name)):
        print(f"{name}: {line}", flush=True)
    print(f"{name}: all checks passed, in {time.monotonic() - started:.0f} seconds", flush=True)


def _others(name: str) -> Iterator[OnDeviceModel]:
    for other in models.names():
        with contextlib.suppress(SettingsError):  # of a model that is not asked about
            if other != name:
                yield models.declared(other)


if __name__ == "__main__":
    sys.exit(run_commands(app))
